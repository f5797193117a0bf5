"""A real nginx with the configuration of deploy/nginx in front of a server of the test."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.programs import program
from tests.support.proxy import DEPLOY, HOST, Proxy, make_certificate, replaced, running_proxy

# What surrounds the `http` block of a system's nginx; every path is in the folder of the test.
AROUND = """
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {configuration}
}}
"""


def documented(path: str = "") -> str:
    """Return the file in deploy/, changed for a path as its comment says."""
    text = (DEPLOY / "nginx" / "scenewire.conf").read_text("utf-8")
    return replaced(text, {"    location /": f"    location {path}/"})


@asynccontextmanager
async def nginx(folder: Path, configuration: str, *, port: int, upstream_port: int) -> AsyncGenerator[Proxy]:
    """Run nginx with a configuration like the documented one, but with this port and server, and a new certificate."""
    executable = program("nginx")
    certificate = make_certificate(folder)
    here = replaced(
        configuration,
        {
            "127.0.0.1:4000": f"127.0.0.1:{upstream_port}",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "server_name scenes.example.com;": f"server_name {HOST};",
            "/etc/ssl/scenes.example.com.pem": str(certificate),
            "/etc/ssl/scenes.example.com.key": str(certificate),
        },
    )
    (folder / "nginx.conf").write_text(AROUND.format(configuration=here))
    options = ("-p", folder, "-c", "nginx.conf", "-e", "error.log")
    async with running_proxy(port, certificate, folder / "error.log", executable, *options) as proxy:
        yield proxy
