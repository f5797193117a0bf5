"""docs/uploads.md: its commands upload a file, go on after a cut, and complete the asset."""

import json
import re
import subprocess
from pathlib import Path

from tests.support.asset_files import picture
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS

PAGE = ROOT / "docs" / "uploads.md"
WHOLE = 'curl -sf -T "$FILE"'


def shell(page: str, url: str) -> list[str]:
    """Return the commands of each block, for the server at this address."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [block.replace("http://localhost:4000", url) for block in blocks]


def test_commands_of_the_page_upload_a_file(tmp_path: Path) -> None:
    """At once, and in two parts, as after a cut; another file each time."""
    server = ServerProcess(tmp_path, provider="external").start()
    try:
        whole, resume, complete = shell(PAGE.read_text("utf-8"), server.url)
        assert WHOLE in whole
        cut = whole.replace(WHOLE, 'head -c 100 "$FILE" | curl -s -T -')
        for colour, commands in (("red", whole + resume + complete), ("blue", cut + resume + complete)):
            (tmp_path / "kite.jpg").write_bytes(picture(320, 200, colour, "JPEG").content)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", commands],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, "READY\n"), done.stderr
            answer = json.loads((tmp_path / "done.json").read_text())["data"]["completeAsset"]
            assert (answer["errors"], answer["asset"]["media"]["width"]) == ([], 320)
    finally:
        server.stop()


def test_page_is_short() -> None:
    """Under 120 lines."""
    assert len(PAGE.read_text("utf-8").splitlines()) < 120
