"""A real nginx with the configuration of docs/operations.md in front of a server of the test."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.programs import program
from tests.support.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
HOST = "localhost"
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
    {documented}
}}
"""


class Nginx(NamedTuple):
    """A running nginx; `tls` trusts its certificate."""

    origin: str
    tls: ssl.SSLContext


def documented() -> str:
    """Return the configuration on the page."""
    (block,) = re.findall(r"^```nginx\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return block


def unused_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@asynccontextmanager
async def nginx(folder: Path, configuration: str, *, port: int, upstream_port: int) -> AsyncGenerator[Nginx]:
    """Run nginx with a configuration like the documented one, but with this port and server, and a new certificate."""
    executable = program("nginx")
    certificate = _make_certificate(folder)
    for written, here in (
        ("127.0.0.1:4000", f"127.0.0.1:{upstream_port}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("scenes.example.com;", f"{HOST};"),
        ("/etc/ssl/scenes.example.com.pem", str(certificate)),
        ("/etc/ssl/scenes.example.com.key", str(certificate)),
    ):
        assert written in configuration, written
        configuration = configuration.replace(written, here)
    (folder / "nginx.conf").write_text(AROUND.format(documented=configuration))
    process = await asyncio.create_subprocess_exec(
        executable, "-p", folder, "-c", "nginx.conf", "-e", "error.log", stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(lambda: _listens(port) or process.returncode is not None)
        assert process.returncode is None, (folder / "error.log").read_text()
        yield Nginx(f"https://{HOST}:{port}", ssl.create_default_context(cafile=certificate))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _make_certificate(folder: Path) -> Path:
    """Write a key and a certificate for HOST that it signs itself into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(pem))
    return file
