"""The chart: horizontal bars of rates on a logarithmic scale, as SVG that is readable on light and dark pages."""

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from bench.contenders import BEFORE, LIMIT, OURS
from bench.results import Result, short

WIDTH, LABELS, RIGHT = 860, 190, 70
BAR, GAP, HEAD = 14, 4, 34
# Of middle lightness, so that they stand out from white and from black.
COLOURS = {OURS: "#2f81f7", BEFORE: "#7aa7d9", LIMIT: "#8b949e"}
PEER = "#d08770"
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.work{font-weight:600;fill:#24292f}"
    "@media(prefers-color-scheme:dark){text{fill:#9da7b1}.work{fill:#e6edf3}}"
)


def svg(results: Sequence[Result]) -> str:
    """Return the chart of all works that have more than one server."""
    shown = [result for result in results if len(result.figures) > 1 and OURS in result.figures]
    parts: list[str] = []
    y = 8
    for result in shown:
        parts.append(f'<text class="work" x="8" y="{y + 16}">{escape(result.work)}, {escape(result.unit)}</text>')
        y += HEAD - 8
        rates = [figure.rate for figure in result.figures.values()]
        low, high = floor(log10(min(rates))), ceil(log10(max(rates)))
        decades = max(1, high - low)
        for name, figure in result.figures.items():
            length = max(2.0, (log10(figure.rate) - low) / decades * (WIDTH - LABELS - RIGHT))
            colour = COLOURS.get(name, PEER)
            parts.append(
                f'<text x="{LABELS - 8}" y="{y + 11}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>'
                f'<text x="{LABELS + length + 6:.1f}" y="{y + 11}">{short(figure.rate)}</text>'
            )
            y += BAR + GAP
        parts.append(f'<text x="{LABELS}" y="{y + 10}">{10**low:g}</text>')
        parts.append(f'<text x="{WIDTH - RIGHT}" y="{y + 10}" text-anchor="end">{10**high:g} (logarithmic)</text>')
        y += HEAD
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" role="img">'
        f"<title>Rates of Scenewire, its peers and hand-written programs</title><style>{STYLE}</style>"
    )
    return head + "".join(parts) + "</svg>\n"
