"""Requests to addresses that users chose reach nothing that only this server can reach."""

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
def test_what_everybody_reaches_is_public(address: str) -> None:
    """The neighbours of what is not, too."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", [each for kind in NOT_PUBLIC.values() for each in kind])
def test_what_is_special_is_not(address: str) -> None:
    """Whatever the reason."""
    assert not is_public(ipaddress.ip_address(address))


def finding(*answers: Sequence[str]) -> Callable[[str, int], Any]:
    """A name server that gives these answers, one after the other, the last one for ever."""
    left = list(answers)

    async def resolve(name: str, _port: int) -> Sequence[Address]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [ipaddress.ip_address(each) for each in found]

    return resolve


@asynccontextmanager
async def sending(policy: Policy = LAPTOP, **options: Any) -> AsyncGenerator[HttpClient]:
    """An HttpClient, closed at the end."""
    # Where there is no TLS nobody need be trusted.
    options.setdefault("verify", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    made = HttpClient(policy, **options)
    try:
        yield made
    finally:
        await made.close()


async def trouble(sender: HttpClient, url: str) -> DeliveryErrorKind:
    """Why there is no answer."""
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
async def test_an_address_that_is_none_is_refused_unseen(url: str) -> None:
    """In production: https alone, a host, a port that exists, no user; no name is looked up for anything else."""
    async with sending(Policy(), resolve=finding([])) as sender:
        assert await trouble(sender, url) is DeliveryErrorKind.NOT_ALLOWED


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
async def test_a_name_that_leads_inside_is_refused(addresses: list[str]) -> None:
    """If only one of its addresses does; nothing is connected to."""
    async with sending(Policy(), resolve=finding(addresses)) as sender:
        assert await trouble(sender, f"https://{NAME}/") is DeliveryErrorKind.NOT_ALLOWED
        with pytest.raises(DeliveryFailed):
            await sender.check_reachable(f"https://{NAME}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "localhost", "[::1]", "10.0.0.1"])
async def test_an_address_in_any_spelling_is_seen_through(host: str) -> None:
    """As the system itself reads it."""
    async with sending(Policy()) as sender:
        assert await trouble(sender, f"https://{host}/") is DeliveryErrorKind.NOT_ALLOWED


async def test_on_a_laptop_loopback_is_allowed_and_nothing_else() -> None:
    """Private networks are not."""
    async with receiving() as receiver, sending() as sender:
        assert (await sender.post(receiver.url, b"{}", {})).status == 204
    async with sending(resolve=finding(["192.168.0.1"])) as sender:
        assert await trouble(sender, "http://router/") is DeliveryErrorKind.NOT_ALLOWED


async def test_the_checked_address_is_the_one_connected_to() -> None:
    """A name that answers otherwise the next time (DNS rebinding) is asked once, and keeps its Host."""
    async with receiving() as receiver, sending(resolve=finding(["127.0.0.1"], ["10.0.0.1"])) as sender:
        answered = await sender.post(f"http://{NAME}:{receiver.port}/hook?a=1", b'{"a": 1}', {"webhook-id": "x"})
        assert answered.status == 204
        (received,) = receiver.received
        assert received.path == "/hook?a=1"
        assert received.headers["host"] == f"{NAME}:{receiver.port}"
        assert (received.body, received.id) == (b'{"a": 1}', "x")
        assert await trouble(sender, f"http://{NAME}:{receiver.port}/") is DeliveryErrorKind.NOT_ALLOWED
        assert receiver.connections == 1


def certified(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for a name: the server's side, and that of a client who trusts it."""
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


async def test_the_certificate_must_be_the_names(tmp_path: Path) -> None:
    """Though an address is connected to; the name is told to the server (SNI), and a wrong one is refused."""
    server, client = certified(tmp_path, NAME)
    told: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: told.append(name)
    async with (
        receiving(server) as receiver,
        sending(Policy(loopback=True), resolve=finding(["127.0.0.1"]), verify=client) as sender,
    ):
        assert (await sender.post(f"https://{NAME}:{receiver.port}/", b"{}", {})).status == 204
        assert told == [NAME]
        assert await trouble(sender, f"https://other.example:{receiver.port}/") is DeliveryErrorKind.TLS
        assert told == [NAME, "other.example"]
        assert len(receiver.received) == 1


async def test_no_redirect_is_followed() -> None:
    """Wherever it leads."""
    async with receiving() as receiver, sending() as sender:
        receiver.answer = status(302, f"location: {receiver.url}")
        assert (await sender.post(receiver.url, b"{}", {})).status == 302
        assert receiver.connections == 1


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the operator uses for other things."""
    async with receiving() as receiver, receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with sending() as sender:
            assert (await sender.post(receiver.url, b"{}", {})).status == 204
        assert (receiver.connections, proxy.connections) == (1, 0)


async def test_a_name_that_is_not_found_says_so() -> None:
    """Or has no address."""

    async def unknown(_name: str, _port: int) -> Sequence[Address]:
        raise OSError

    async with sending(resolve=unknown) as sender:
        assert await trouble(sender, f"http://{NAME}/") is DeliveryErrorKind.NOT_RESOLVED
    async with sending(resolve=finding([])) as sender:
        assert await trouble(sender, f"http://{NAME}/") is DeliveryErrorKind.NOT_RESOLVED


async def test_the_other_family_is_tried_too() -> None:
    """When the first address does not answer."""
    async with receiving() as receiver, sending(resolve=finding(["::1", "127.0.0.1"])) as sender:
        assert (await sender.post(f"http://{NAME}:{receiver.port}/", b"{}", {})).status == 204


async def test_nobody_listens() -> None:
    """A port that is closed."""
    async with receiving() as receiver:
        url = receiver.url
    async with sending() as sender:
        assert await trouble(sender, url) is DeliveryErrorKind.NOT_CONNECTED


@pytest.mark.parametrize(
    ("answer", "expected"), [(hang, DeliveryErrorKind.TIMEOUT), (break_off, DeliveryErrorKind.BROKEN_OFF)]
)
async def test_an_answer_that_never_comes(
    answer: Answer, expected: DeliveryErrorKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is waited for as long as is bearable."""
    monkeypatch.setattr(http_client, "TOTAL_SECONDS", 0.3)
    async with receiving() as receiver, sending() as sender:
        receiver.answer = answer
        assert await trouble(sender, receiver.url) is expected


async def test_a_name_server_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts as one that does not know."""
    monkeypatch.setattr(http_client, "CONNECT_SECONDS", 0.1)

    async def slow(_name: str, _port: int) -> Sequence[Address]:
        await asyncio.sleep(60)
        return []

    async with sending(resolve=slow) as sender:
        assert await trouble(sender, f"http://{NAME}/") is DeliveryErrorKind.NOT_RESOLVED


async def endless(_received: Received, writer: asyncio.StreamWriter) -> None:
    """An answer of 200 that has no end."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def dripping(_received: Received, writer: asyncio.StreamWriter) -> None:
    """An answer of 200 that comes byte by byte."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(("answer", "seconds"), [(endless, 30.0), (dripping, 0.5)])
async def test_a_body_without_end_is_cut_off(answer: Answer, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line has said all there is to know; 64 KiB are read at most, and only for as long as is bearable."""
    monkeypatch.setattr(http_client, "TOTAL_SECONDS", seconds)
    async with receiving() as receiver, sending() as sender:
        receiver.answer = answer
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert (await sender.post(receiver.url, b"{}", {})).status == 200


async def test_connections_are_not_shared() -> None:
    """One that was made for a name serves no other on the same address."""
    async with receiving() as receiver, sending(resolve=finding(["127.0.0.1"])) as sender:
        for name in ("one.example", "two.example"):
            await sender.post(f"http://{name}:{receiver.port}/", b"{}", {})
        assert receiver.connections == 2
