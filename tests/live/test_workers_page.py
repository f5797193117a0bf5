"""docs/workers.md: its commands lease a take, deliver its clip, and show why no take is leased."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

from tests.support import jobs
from tests.support.client import Client
from tests.support.clip_host import clip_bytes
from tests.support.delivered_files import PLAIN
from tests.support.programs import program
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS

PAGE = (ROOT / "docs" / "workers.md").read_text("utf-8")


async def test_commands_of_the_page_render_a_take(tmp_path: Path) -> None:
    """In order, with a clip of the test."""
    for name in ("curl", "jq"):
        program(name)
    (tmp_path / "clip.mp4").write_bytes(clip_bytes(tmp_path, PLAIN))
    commands = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    (query,) = re.findall(r"^```graphql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    server = ServerProcess(tmp_path, provider="external").start()
    client = Client(server.url)
    try:
        shell = ["bash", "-euo", "pipefail", "-c", f"SERVER={server.url}\n{commands}"]
        await asyncio.to_thread(subprocess.run, shell, cwd=tmp_path, check=True, timeout=TIMEOUT_SECONDS)
        job_id = json.loads((tmp_path / "job.json").read_text())["data"]["createJob"]["job"]["id"]
        assert json.loads((tmp_path / "renewed.json").read_text())["data"]["provider_id"] == "my-render-1"
        assert await jobs.settled(client, job_id) == "COMPLETED"
        selection = "scenes { nodes { currentTake { providerId settings { model seed } metrics worker { name } } } }"
        (scene,) = (await jobs.job(client, job_id, selection))["scenes"]["nodes"]
        assert scene["currentTake"] == {
            "providerId": "my-render-1",
            "settings": {"model": "leased/wan", "seed": 7},
            "metrics": {"seconds": 12.5},
            "worker": {"name": "gpu-1"},
        }
        nothing = json.loads((tmp_path / "nothing.json").read_text())["data"]
        assert nothing == {"leases": [], "passed_over": []}
        assert {each["name"] for each in (await client.execute(query))["workers"]} == {"gpu-1", "gpu-2"}
    finally:
        await client.close()
        server.stop()


def test_the_page_is_short() -> None:
    """Under 150 lines."""
    assert len(PAGE.splitlines()) < 150
