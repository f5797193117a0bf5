"""docs/operations.md: the commands of its first start run a deployment on Postgres, which renders a job."""

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.support.postgres import Databases
from tests.support.proxy import replaced, unused_port
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.warm_start import ROOT, environment_with

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
STOP = 'trap "kill \\$(jobs -p) 2>/dev/null; wait" EXIT\n'


def run(commands: str, environment: dict[str, str]) -> tuple[int, str, str]:
    """Run the commands, and everything that they start until they end; return the exit status and the output."""
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", STOP + commands],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=3 * TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    return process.returncode, out, err


def test_commands_of_the_first_start_run_a_deployment(tmp_path: Path, postgres: Databases) -> None:
    """In the order of the page: migration, server, worker, readiness, token, and a job of three clips."""
    port = unused_port()
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    with postgres.fresh() as url:
        here = {
            "postgresql+asyncpg://scenewire:PASSWORD@127.0.0.1/scenewire": f"'{url}'",
            "/var/lib/scenewire/media": str(tmp_path / "media"),
            "http://127.0.0.1:4000": f"http://127.0.0.1:{port}",
            "SCENEWIRE_PORT=4001": f"SCENEWIRE_PORT={unused_port()}",
        }
        environment = environment_with({"port": port, "local_width": 64, "local_height": 64})
        status, out, err = run(replaced(commands, here), environment)
    assert status == 0, out + err
    assert '{"status":"ok","database":true,"queue":true,"media":true}' in out
    assert out.count("100% completed") == 3
    assert len([file for file in (tmp_path / "media").rglob("*") if file.suffix == ".mp4"]) >= 3


def test_page_is_short() -> None:
    """Under 300 lines."""
    assert len(PAGE.splitlines()) < 300
