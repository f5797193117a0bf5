"""docs/clients.md, the part on Python: its snippets run, and it names what exists."""

import asyncio
import re
import textwrap
from collections.abc import Callable, Coroutine
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import scenewire
from scenewire import streams, tokens, websocket
from tests.support import jobs
from tests.support.server_app import App, running
from tests.support.server_process import ROOT
from tests.support.tokens import token
from tests.support.waiting import eventually

PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8").partition("\n## Python\n")[2]
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def program(app: App, snippet: str) -> Callable[..., Coroutine[Any, Any, None]]:
    """Return a snippet as a function that uses this server; it calls the function `name` of the snippet."""
    names: dict[str, Any] = {"scenewire": scenewire, "new_token": lambda: token("amy")}
    source = snippet.replace("http://127.0.0.1:4000", app.url)
    if "async def" not in source:
        source = f"async def run() -> None:\n{textwrap.indent(source, '    ')}"
    exec(compile(source, "clients.md", "exec"), names)  # noqa: S102 # the page's own code

    def call(name: str = "run", *arguments: str) -> Coroutine[Any, Any, None]:
        return names[name](*arguments)

    return call


async def test_snippets_of_calls_run(tmp_path: Path) -> None:
    """The first one until its job is rendered."""
    first, calls, _ = SNIPPETS
    output = StringIO()
    async with running(tmp_path) as app:
        with redirect_stdout(output):
            await program(app, first)()
            await program(app, calls)()
    lines = output.getvalue().splitlines()
    assert any(line.startswith("COMPLETED 100 %") for line in lines)
    assert "The job is at version 2: Dawn over a calm sea" in lines
    assert lines[-2:] == ["Coast", "{'viewer': {'name': 'Local developer'}}"]


async def test_snippets_of_streams_run(tmp_path: Path) -> None:
    """Until they are canceled."""
    output = StringIO()
    async with running(tmp_path, renders=False) as app:
        made = await jobs.make(app, title="Streamed", provider="external", start=True)
        run = program(app, SNIPPETS[2])
        with redirect_stdout(output):
            tasks = [asyncio.create_task(run("show", made.id)), asyncio.create_task(run("show_list"))]
            await eventually(lambda: "start from" in output.getvalue() and "['Streamed']" in output.getvalue())
            await jobs.change(app, "updateScene", sceneId=made.scenes[0], status="PROCESSING")
            await jobs.change(app, "updateScene", sceneId=made.scenes[0], percentage=42)
            await eventually(lambda: f"{made.scenes[0]} 42.0" in output.getvalue())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert "live" in output.getvalue()
    assert "SCENE_STARTED" in output.getvalue()


def test_page_states_names_and_numbers_of_the_code() -> None:
    """Exceptions, states and intervals."""
    named = set(re.findall(r"`([A-Z][a-z]\w+)`", PAGE)) - {"None"}
    assert {name for name in named if not hasattr(scenewire, name)} == set()
    text = " ".join(PAGE.split())
    states = ", ".join(f"`{state}`" for state in list(streams.ConnectionState)[:-1]) + " and `closed`"
    phrases = [
        f"every {websocket.PING_SECONDS:g} s",
        f"without an answer for {websocket.PING_SECONDS + websocket.PONG_SECONDS:g} s",
        f"at most {streams.BACKOFF_SECONDS:g} s apart in the first minute and {streams.LONG_BACKOFF_SECONDS:g} s",
        f"{tokens.EARLY_SECONDS:g} s before the token expires",
        states,
    ]
    assert [phrase for phrase in phrases if phrase not in text] == []
