"""Metrics at a port of their own, and the log of a server in production, of real processes."""

import json
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import cli
from tests.support.free_ports import free_port
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.sqlite_alone

SECRET = "0123456789abcdef" * 2
# The handshake of a websocket (RFC 6455, 1.2).
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_server_shows_its_metrics_at_their_port_alone(tmp_path: Path) -> None:
    """Without a token there; another process cannot have the port, and its log is JSON with the id of the process."""
    settings: dict[str, Any] = {"profile": "production", "auth_secret": SECRET, "provider": "external"}
    settings["metrics_port"] = free_port()
    server = ServerProcess(tmp_path, **settings).start()
    try:
        pid = server.pid
        address = f"http://127.0.0.1:{settings['metrics_port']}"
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
            refused = await http.post(f"{server.url}/graphql", json={"query": "{ __typename }"})
            shown = await http.get(f"{address}/metrics")
            others = [(await http.get(url)).status_code for url in (address, f"{server.url}/metrics")]
            upgraded = await http.get(f"{address}/metrics", headers=UPGRADE)
        assert upgraded.status_code == 403
        assert (refused.status_code, others) == (401, [404, 401])
        assert shown.headers["content-type"].startswith("text/plain")
        assert "scenewire_loop_lag_seconds_count" in shown.text
        database_url = f"sqlite+aiosqlite:///{tmp_path}/other.db"
        other = await cli.run("serve", **{**settings, "database_url": database_url, "port": 0})
        assert other.status == 2
        assert f"SCENEWIRE_METRICS_PORT: cannot listen on 127.0.0.1:{settings['metrics_port']}: " in other.err
    finally:
        server.stop(signal.SIGTERM)
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {line["pid"] for line in lines} == {pid}
    assert {line["level"] for line in lines} == {"INFO"}
    assert [line["message"] for line in lines if line["action"] == "http.request"] == [
        "POST /graphql",
        "GET /metrics",
    ]


async def test_several_processes_need_a_port_for_each() -> None:
    """The path of the API would show one of them."""
    address = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    common = {"database_url": address, "profile": "production", "auth_secret": SECRET}
    ended = await cli.run("serve", "--processes", "2", **common, metrics_token=SECRET)
    assert ended.status == 2
    assert "SCENEWIRE_METRICS_PORT: must be set with --processes" in ended.err


async def test_several_processes_do_not_start_without_the_port_of_each() -> None:
    """One that could not listen would be replaced without end."""
    settings: dict[str, Any] = {"database_url": "postgresql+asyncpg://nobody@127.0.0.1:1/none"}
    port = free_port(following=1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port + 1))
        other.listen()
        taken = await cli.run("serve", "--processes", "2", **settings, port=0, metrics_port=port)
    assert taken.status == 2
    assert f"SCENEWIRE_METRICS_PORT: cannot listen on 127.0.0.1:{port + 1}: " in taken.err
    own = await cli.run("serve", "--processes", "2", **settings, port=port + 1, metrics_port=port)
    assert own.status == 2
    assert f"include {port + 1}, that of the API" in own.err
