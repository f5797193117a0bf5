"""Blocks of pages that have no tests of their own: docs/logs.md, persisted-documents.md, proxies.md, storyboard.md."""

import asyncio
import hashlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import httpx
import pytest

from server.settings import Settings
from tests.support.free_ports import free_port
from tests.support.node_runtime import install, node
from tests.support.server_app import running
from tests.support.server_process import ROOT
from tests.support.waiting import eventually

VIEWER = "{ viewer { id } }"


def block(page: str, language: str) -> str:
    """Return the only block of a page in this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text("utf-8"), re.M | re.S)
    return found


def variables(text: str) -> dict[str, str]:
    """Return the variables that lines of a shell set, exported or not."""
    words = shlex.split(text.replace("export ", ""), comments=True)
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def test_levels_of_the_page_of_logs_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each module with its own level."""
    for name, value in variables(block("logs.md", "sh")).items():
        monkeypatch.setenv(name, value)
    assert Settings().log_levels == {
        "coordinator.renders": "debug",
        "providers.replicate": "warning",
        "scenewire.access": "warning",
    }


def test_variables_of_the_page_of_the_storyboard_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """In production, where they replace a secret."""
    monkeypatch.setenv("SCENEWIRE_PROFILE", "production")
    for name, value in variables(block("storyboard.md", "sh")).items():
        monkeypatch.setenv(name, value.replace("…", 32 * "s"))
    assert Settings().auth_client_id == "scenewire-storyboard"


async def test_command_of_the_page_of_persisted_documents_executes_one(tmp_path: Path) -> None:
    """By the hash of a document of the manifest."""
    manifest = tmp_path / "persisted-documents.json"
    name = f"sha256:{hashlib.sha256(VIEWER.encode()).hexdigest()}"
    manifest.write_text(json.dumps({name: VIEWER}))
    async with running(tmp_path, trusted_documents=str(manifest)) as app:
        command = block("persisted-documents.md", "sh").replace("http://localhost:4000", app.url).replace("…", name)
        done = await asyncio.create_subprocess_exec(
            "bash", "-c", command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = await done.communicate()
    assert json.loads(output)["data"]["viewer"]["id"], errors


async def test_vite_forwards_as_the_page_of_proxies_configures_it(tmp_path: Path) -> None:
    """GraphQL, with the Host header of the page left as it is."""
    install(ROOT / "web")
    port = free_port()
    async with running(tmp_path) as app:
        configuration = block("proxies.md", "ts").replace("http://127.0.0.1:4000", app.url)
        (tmp_path / "page").mkdir()
        (tmp_path / "page" / "vite.config.mjs").write_text(configuration)
        vite = ROOT / "web" / "node_modules" / "vite" / "bin" / "vite.js"
        arguments = [str(vite), "--host", "127.0.0.1", "--port", str(port), "--strictPort"]
        server = await asyncio.create_subprocess_exec(
            node(), *arguments, cwd=tmp_path / "page", stdout=subprocess.DEVNULL
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as page:

                async def answers() -> bool:
                    try:
                        answer = await page.post(
                            "/graphql", json={"query": VIEWER}, headers={"origin": str(page.base_url)}
                        )
                    except httpx.TransportError:
                        return False
                    return answer.json()["data"]["viewer"]["id"] != ""

                await eventually(answers)
        finally:
            server.kill()
            await server.wait()
