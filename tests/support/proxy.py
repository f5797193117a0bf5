"""What the reverse proxies of tests share: the files in deploy/, their server's address, and a certificate."""

import asyncio
import os
import socket
import ssl
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.waiting import eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
HOST = "localhost"


class Proxy(NamedTuple):
    """A running proxy; `tls` trusts its certificate."""

    origin: str
    tls: ssl.SSLContext


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Return the text with these parts replaced, each of which must be in it."""
    for written, here in replacements.items():
        assert written in text, written
        text = text.replace(written, here)
    return text


def unused_port() -> int:
    """Return a port of loopback that nothing listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


@asynccontextmanager
async def running_proxy(port: int, certificate: Path, log: Path, *command: str | Path) -> AsyncGenerator[Proxy]:
    """Run a proxy until the end of the block, which begins when it listens on `port`. Its home is the log's folder."""
    folder = log.parent
    homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder))
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=os.environ | homes, stdout=DEVNULL, stderr=output
        )
    try:
        await eventually(lambda: _listens(port) or process.returncode is not None)
        assert process.returncode is None, await asyncio.to_thread(log.read_text)
        yield Proxy(f"https://{HOST}:{port}", ssl.create_default_context(cafile=certificate))
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def make_certificate(folder: Path) -> Path:
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
