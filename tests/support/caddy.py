"""A real Caddy with the configuration of deploy/caddy in front of a server of the test."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.programs import program
from tests.support.proxy import DEPLOY, HOST, Proxy, make_certificate, replaced, running_proxy

FILE = DEPLOY / "caddy" / "Caddyfile"
# A Caddy that listens on no other port and stores nothing outside of the folder.
OPTIONS = """{{
    admin off
    auto_https disable_redirects
    storage file_system {folder}
    log {{
        level ERROR
    }}
}}
"""


@asynccontextmanager
async def caddy(folder: Path, *, port: int, upstream_port: int) -> AsyncGenerator[Proxy]:
    """Run Caddy with the file in deploy/, but with this port and server, and a new certificate."""
    executable = program("caddy")
    certificate = make_certificate(folder)
    site = f"https://{HOST}:{port} {{\n\ttls {certificate} {certificate}"
    upstream = f"127.0.0.1:{upstream_port} {{\n"
    here = replaced(FILE.read_text("utf-8"), {"\nscenes.example.com {": f"\n{site}", "127.0.0.1:4000 {\n": upstream})
    (folder / "Caddyfile").write_text(OPTIONS.format(folder=folder / "caddy") + here)
    options = ("run", "--config", "Caddyfile", "--adapter", "caddyfile")
    async with running_proxy(port, certificate, folder / "caddy.log", executable, *options) as proxy:
        yield proxy
