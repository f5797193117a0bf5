"""The HTTP client of webhooks connects to public addresses only (SSRF), and bounds every request."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from coordinator.webhooks import http_client
from coordinator.webhooks.http_client import DeliveryErrorKind, DeliveryFailed, HttpClient, Policy
from coordinator.webhooks.ssrf import Address, is_public
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.webhook_receiver import Answer, Received, break_off, hang, receiving, status

LAPTOP = Policy(http=True, loopback=True)
NAME = "hooks.example"

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "223.255.255.255"]
PUBLIC_6 = ["2606:4700::1111", "2a00:1450:4001::1"]
NOT_PUBLIC = {
    "unspecified": ["0.0.0.0", "0.1.2.3", "::"],  # noqa: S104 # never bound
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1"],
    "link-local": ["169.254.0.1", "fe80::1", "fe80::1%1"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"],
    "carriers'": ["100.64.0.1", "100.127.255.255"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "192.0.2.1", "203.0.113.5", "2001:db8::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8", "::127.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::808:808", "64:ff9b:1::7f00:1"],
    "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::", "192.88.99.1"],
    "Teredo": ["2001::1", "2001:0:7f00:1::"],
}


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_6])
def test_webhook_address_on_the_internet_is_public(address: str) -> None:
    """Those next to special ranges included."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", [each for kind in NOT_PUBLIC.values() for each in kind])
def test_webhook_address_of_special_range_is_not_public(address: str) -> None:
    """For each reason."""
    assert not is_public(ipaddress.ip_address(address))


def resolving(*answers: Sequence[str]) -> Callable[[str, int], Any]:
    """Make a resolver that returns these answers one after the other, and then always the last one."""
    left = list(answers)

    async def resolve(name: str, _port: int) -> Sequence[Address]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [ipaddress.ip_address(each) for each in found]

    return resolve


@asynccontextmanager
async def sending(policy: Policy = LAPTOP, **options: Any) -> AsyncGenerator[HttpClient]:
    """Make an HttpClient, closed on leaving."""
    # Without TLS no authority need be loaded.
    options.setdefault("verify", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    client = HttpClient(policy, **options)
    try:
        yield client
    finally:
        await client.close()


async def error_kind(sender: HttpClient, url: str) -> DeliveryErrorKind:
    """Return why a request fails."""
    with pytest.raises(DeliveryFailed) as raised:
        await sender.post(url, b"{}", {})
    return raised.value.kind


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "http://hooks.example/",
        "https://",
        "https:///path",
        "https://amy@hooks.example/",
        "https://amy:secret@hooks.example/",
        "https://hooks.example\\@10.0.0.1/",
        "https://hooks.example:0/",
        "https://hooks.example:70000/",
        "https://hooks.example:x/",
        "https://a b/",
        "https://☃.net/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
    ],
)
async def test_webhook_url_that_is_malformed_is_refused(url: str) -> None:
    """In production: https, a host, a valid port, no user name; otherwise no host name is resolved."""
    async with sending(Policy(), resolve=resolving([])) as sender:
        assert await error_kind(sender, url) is DeliveryErrorKind.NOT_ALLOWED


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["8.8.8.8", "10.0.0.1"],
        ["8.8.8.8", "::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
    ],
)
async def test_webhook_host_with_a_private_address_is_refused(addresses: list[str]) -> None:
    """Even if only one of its addresses is private; nothing is connected to."""
    async with sending(Policy(), resolve=resolving(addresses)) as sender:
        assert await error_kind(sender, f"https://{NAME}/") is DeliveryErrorKind.NOT_ALLOWED
        with pytest.raises(DeliveryFailed):
            await sender.check_reachable(f"https://{NAME}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "localhost", "[::1]", "10.0.0.1"])
async def test_webhook_url_of_loopback_is_refused_in_any_notation(host: str) -> None:
    """As the system's resolver reads it."""
    async with sending(Policy()) as sender:
        assert await error_kind(sender, f"https://{host}/") is DeliveryErrorKind.NOT_ALLOWED


async def test_webhook_policy_of_a_laptop_allows_loopback_only() -> None:
    """Private networks are not."""
    async with receiving() as receiver, sending() as sender:
        assert (await sender.post(receiver.url, b"{}", {})).status == 204
    async with sending(resolve=resolving(["192.168.0.1"])) as sender:
        assert await error_kind(sender, "http://router/") is DeliveryErrorKind.NOT_ALLOWED


async def test_webhook_request_connects_to_the_checked_address() -> None:
    """A host name is resolved once (DNS rebinding), and sent as Host."""
    async with receiving() as receiver, sending(resolve=resolving(["127.0.0.1"], ["10.0.0.1"])) as sender:
        response = await sender.post(f"http://{NAME}:{receiver.port}/hook?a=1", b'{"a": 1}', {"webhook-id": "x"})
        assert response.status == 204
        (received,) = receiver.received
        assert received.path == "/hook?a=1"
        assert received.headers["host"] == f"{NAME}:{receiver.port}"
        assert (received.body, received.id) == (b'{"a": 1}', "x")
        assert await error_kind(sender, f"http://{NAME}:{receiver.port}/") is DeliveryErrorKind.NOT_ALLOWED
        assert receiver.connections == 1


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make TLS contexts for a host name: of its server, and of a client that trusts its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem, key_pem = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, key_pem)
    return server, ssl.create_default_context(cafile=pem)


async def test_webhook_request_verifies_the_certificate_of_its_host_name(tmp_path: Path) -> None:
    """Though it connects to an address: it sends the name as SNI, and refuses a certificate of another name."""
    server, client = certified(tmp_path, NAME)
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    async with (
        receiving(server) as receiver,
        sending(Policy(loopback=True), resolve=resolving(["127.0.0.1"]), verify=client) as sender,
    ):
        assert (await sender.post(f"https://{NAME}:{receiver.port}/", b"{}", {})).status == 204
        assert names == [NAME]
        assert await error_kind(sender, f"https://other.example:{receiver.port}/") is DeliveryErrorKind.TLS
        assert names == [NAME, "other.example"]
        assert len(receiver.received) == 1


async def test_webhook_request_follows_no_redirect() -> None:
    """Its target could be private."""
    async with receiving() as receiver, sending() as sender:
        receiver.answer = status(302, f"location: {receiver.url}")
        assert (await sender.post(receiver.url, b"{}", {})).status == 302
        assert receiver.connections == 1


async def test_webhook_request_uses_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve the host name itself."""
    async with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with sending() as sender:
            assert (await sender.post(receiver.url, b"{}", {})).status == 204
        assert (receiver.connections, proxy.connections) == (1, 0)


async def test_webhook_host_that_is_unknown_is_not_resolved() -> None:
    """And so is one without an address."""

    async def unknown(_name: str, _port: int) -> Sequence[Address]:
        raise OSError

    async with sending(resolve=unknown) as sender:
        assert await error_kind(sender, f"http://{NAME}/") is DeliveryErrorKind.NOT_RESOLVED
    async with sending(resolve=resolving([])) as sender:
        assert await error_kind(sender, f"http://{NAME}/") is DeliveryErrorKind.NOT_RESOLVED


async def test_webhook_request_tries_both_address_families() -> None:
    """When it cannot connect to the first address."""
    async with receiving() as receiver, sending(resolve=resolving(["::1", "127.0.0.1"])) as sender:
        assert (await sender.post(f"http://{NAME}:{receiver.port}/", b"{}", {})).status == 204


async def test_webhook_request_to_closed_port_is_not_connected() -> None:
    """The kind of the error says so."""
    async with receiving() as receiver:
        url = receiver.url
    async with sending() as sender:
        assert await error_kind(sender, url) is DeliveryErrorKind.NOT_CONNECTED


@pytest.mark.parametrize(
    ("answer", "expected"), [(hang, DeliveryErrorKind.TIMEOUT), (break_off, DeliveryErrorKind.BROKEN_OFF)]
)
async def test_webhook_request_without_response_fails(
    answer: Answer, expected: DeliveryErrorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the total timeout, or when the connection is closed."""
    monkeypatch.setattr(http_client, "TOTAL_SECONDS", 0.3)
    async with receiving() as receiver, sending() as sender:
        receiver.answer = answer
        assert await error_kind(sender, receiver.url) is expected


async def test_webhook_host_is_not_resolved_by_a_hanging_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the connect timeout."""
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", 0.1)

    async def slow(_name: str, _port: int) -> Sequence[Address]:
        await asyncio.sleep(60)
        return []

    async with sending(resolve=slow) as sender:
        assert await error_kind(sender, f"http://{NAME}/") is DeliveryErrorKind.NOT_RESOLVED


async def endless(_received: Received, writer: asyncio.StreamWriter) -> None:
    """Answer 200 with an endless body."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def dripping(_received: Received, writer: asyncio.StreamWriter) -> None:
    """Answer 200 with a body that arrives byte by byte."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("answer", "seconds"), [(endless, 30.0), (dripping, 0.5)])
async def test_webhook_response_body_is_read_within_bounds(
    answer: Answer, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status decides; at most 64 KiB of the body are read, within the total timeout."""
    monkeypatch.setattr(http_client, "TOTAL_SECONDS", seconds)
    async with receiving() as receiver, sending() as sender:
        receiver.answer = answer
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert (await sender.post(receiver.url, b"{}", {})).status == 200
