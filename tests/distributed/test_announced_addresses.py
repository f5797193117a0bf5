"""The addresses that a process behind PUBLIC_URL announces in its log."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import Databases
from tests.support.server_process import ServerProcess

PUBLIC_URL = "https://scenes.example.com/studio"


@pytest.mark.parametrize(
    ("command", "announced"),
    [
        (["worker"], "Scenewire renders; its health is at {url}/readyz; data in "),
        (
            ["serve", "--no-render"],
            f"Scenewire listens on {{url}}/graphql (explorer), public address {PUBLIC_URL}/graphql;",
        ),
        (
            ["serve", "--processes", "2"],
            f"Scenewire runs 2 processes at {{url}}/graphql, public address {PUBLIC_URL}/gr",
        ),
    ],
    ids=["worker", "serve", "processes"],
)
async def test_process_behind_public_url_announces_where_it_listens(
    postgres: Databases, tmp_path: Path, command: list[str], announced: str
) -> None:
    """The health route is at that address; processes that serve the API announce its public address too."""
    with postgres.fresh() as url:
        process = ServerProcess(tmp_path, *command, database_url=url, public_url=PUBLIC_URL)
        await asyncio.to_thread(process.start)
        try:
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"{process.url}/readyz")).status_code == 200
            assert announced.format(url=process.url) in process.log.read_text()
        finally:
            assert await asyncio.to_thread(process.stop) == 0
