"""Compare Scenewire with its peers and with hand-written programs.

    .venv/bin/python -m bench [--all] [--only NAME,...] [--before FOLDER] [--no-peers] [--write]

`--only` chooses works by name, `--before` adds an older work tree of this program to each comparison, and `--write`
puts the table and the chart into `docs/`.
"""

import argparse
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from bench import chart, machine, report
from bench.catalogue import WORKS
from bench.context import SHORT, SMOKE, WHOLE, Context
from bench.data import ROOT
from bench.peers.install import installed, node, versions
from bench.results import Result

PAGE, CHART = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.svg"


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare Scenewire with its peers.")
    parser.add_argument("--all", action="store_true", help="measure everything, and longer")
    parser.add_argument("--only", default="", help=f"works to measure, by comma: {', '.join(WORKS)}")
    parser.add_argument("--before", type=Path, help="a work tree of an older program, to compare with")
    parser.add_argument("--smoke", action="store_true", help="tiny numbers, to try the benchmark itself")
    parser.add_argument("--no-peers", action="store_true", help="install and measure no peers")
    parser.add_argument("--write", action="store_true", help="write the table and the chart into docs/")
    return parser.parse_args()


def main() -> int:
    """Run the chosen works; return 1 when one of them could not be measured."""
    given = options()
    chosen = given.only.split(",") if given.only else [name for name, work in WORKS.items() if given.all or work.short]
    unknown = [name for name in chosen if name not in WORKS]
    if unknown:
        print(f"There is no work {', '.join(unknown)}; there are: {', '.join(WORKS)}", file=sys.stderr)
        return 2
    # A benchmark that is stopped ends its servers too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    load = os.getloadavg()[0]
    peers: list[str] = []
    if not given.no_peers:
        installed()
        peers = [f"Node {machine.output_of(node(), '--version')}", *versions()]
    results: list[Result] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="scenewire-bench-") as folder:
        before = given.before.resolve() if given.before else None
        scale = SMOKE if given.smoke else WHOLE if given.all else SHORT
        context = Context(Path(folder), scale, before, peers=not given.no_peers)
        try:
            for name in chosen:
                print(f"{name} ...", flush=True)
                try:
                    found = WORKS[name].run(context)
                except Exception:
                    # One broken server must not cost the measurements of all others.
                    traceback.print_exc()
                    failed.append(name)
                    continue
                results.extend(found)
                print(report.table(found), flush=True)
        finally:
            context.close()
    text = f"{report.conditions(peers, load)}\n\n![Rates](performance.svg)\n\n{report.table(results)}"
    print(text)
    if given.write:
        report.write(PAGE, text)
        CHART.write_text(chart.svg(results))
    if failed:
        print(f"Not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
