"""Requests to URLs that users chose, protected against server-side request forgery (SSRF).

The host name is resolved once, every address of it is checked, and a checked address is connected to, with the name in
SNI and Host: a name that resolves differently the next time (DNS rebinding) has no effect. Redirects are followed for
downloads only, with the same checks of each, and proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from coordinator.webhooks.ssrf import Address, is_public
from models.db.cancellation import raise_if_cancelled
from models.lazy_import import lazily

if TYPE_CHECKING:
    import httpx
else:
    httpx = lazily("httpx")

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 10.0
# At most this much of a response's body is read; it is discarded.
RESPONSE_BYTES = 64 * 1024
# Of a download. Storage services redirect once, shorteners of addresses once more.
REDIRECTS = 5
CHUNK_BYTES = 1 << 20
# A name server that does not answer blocks a thread, which must not be one of those that files are read in.
RESOLVER_THREADS = 8

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


class DeliveryErrorKind(StrEnum):
    """Why a request got no response, as shown to the owner of the webhook."""

    NOT_ALLOWED = "NOT_ALLOWED"
    NOT_RESOLVED = "NOT_RESOLVED"
    NOT_CONNECTED = "NOT_CONNECTED"
    TLS = "TLS"
    TIMEOUT = "TIMEOUT"
    BROKEN_OFF = "BROKEN_OFF"


class DeliveryFailed(Exception):
    """A request got no response."""

    def __init__(self, kind: DeliveryErrorKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


class Policy(NamedTuple):
    """What is allowed beyond https to public addresses. A server on a laptop, with one user, allows both."""

    http: bool = False
    loopback: bool = False


class DeliveryResponse(NamedTuple):
    """The status of a response, and its Retry-After header as received."""

    status: int
    retry_after: str | None


class Download(NamedTuple):
    """A response to GET: its status, its headers, and its body, which is read while the response is open."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class HttpClient:
    """Sends requests under a policy. Tests replace `resolve` and `verify`."""

    def __init__(self, policy: Policy, *, resolve: Resolve | None = None, verify: ssl.SSLContext | None = None) -> None:
        self.policy = policy
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")
        self._resolve = resolve or self._look_up
        self._verify = verify
        self._loading = asyncio.Lock()

    def parse(self, address: str) -> httpx.URL:
        """Parse a URL. Raises DeliveryFailed (NOT_ALLOWED) when the policy refuses it whatever it resolves to."""
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise DeliveryFailed(DeliveryErrorKind.NOT_ALLOWED) from error
        schemes = ("http", "https") if self.policy.http else ("https",)
        port = 443 if url.port is None else url.port
        malformed = url.userinfo or "%" in url.host or not url.host or not 0 < port < 65_536
        if url.scheme not in schemes or malformed:
            raise DeliveryFailed(DeliveryErrorKind.NOT_ALLOWED)
        return url

    async def check_reachable(self, address: str) -> None:
        """Raise DeliveryFailed when the policy refuses the URL, or its host name cannot be resolved now."""
        await self._addresses_of(self.parse(address))

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> DeliveryResponse:
        """Send one request. Raises DeliveryFailed, after which the receiver may have processed the request or not."""
        async with _client(await self._tls()) as client:
            try:
                async with asyncio.timeout(TOTAL_SECONDS) as total:
                    url = self.parse(address)
                    response = await _send(client, "POST", url, await self._addresses_of(url), headers, body)
            except TimeoutError as error:
                raise DeliveryFailed(DeliveryErrorKind.TIMEOUT) from error
            # The status decides; the receiver may finish sending its body, within bounds.
            with suppress(httpx.HTTPError, TimeoutError):
                async with aclosing(response), asyncio.timeout_at(total.when()):
                    await _discard_body(response)
        return DeliveryResponse(response.status_code, response.headers.get("retry-after"))

    @asynccontextmanager
    async def get(self, address: str, headers: Mapping[str, str]) -> AsyncGenerator[Download]:
        """Open the file at an address; redirects are followed, each if the policy allows it. Raises DeliveryFailed."""
        url = self.parse(address)
        for _ in range(REDIRECTS + 1):
            async with _client(await self._tls()) as client, self._opened(client, url, headers) as response:
                if not response.has_redirect_location:
                    yield Download(response.status_code, response.headers, _chunks(response))
                    return
                location = response.headers["location"]
            try:
                # The name of the host, not the address that was connected to.
                url = self.parse(str(url.join(location)))
            except httpx.InvalidURL as error:
                raise DeliveryFailed(DeliveryErrorKind.NOT_ALLOWED) from error
        raise DeliveryFailed(DeliveryErrorKind.NOT_ALLOWED)

    @asynccontextmanager
    async def _opened(
        self, client: httpx.AsyncClient, url: httpx.URL, headers: Mapping[str, str]
    ) -> AsyncGenerator[httpx.Response]:
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                response = await _send(client, "GET", url, await self._addresses_of(url), headers)
        except TimeoutError as error:
            raise DeliveryFailed(DeliveryErrorKind.TIMEOUT) from error
        async with aclosing(response):
            yield response

    async def close(self) -> None:
        """Stop the resolver threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _addresses_of(self, url: httpx.URL) -> Sequence[Address]:
        """Return all addresses of the host name. Raises DeliveryFailed when one of them is not allowed."""
        name = url.raw_host.decode("ascii")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                found = await self._resolve(name, url.port or 443)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise DeliveryFailed(DeliveryErrorKind.NOT_RESOLVED) from error
        if not found:
            raise DeliveryFailed(DeliveryErrorKind.NOT_RESOLVED)
        if not all(is_public(each) or (self.policy.loopback and each.is_loopback) for each in found):
            raise DeliveryFailed(DeliveryErrorKind.NOT_ALLOWED)
        return found

    async def _tls(self) -> ssl.SSLContext:
        # Loading the trusted authorities takes 0.1 s, and most processes never need them.
        async with self._loading:
            if self._verify is None:
                self._verify = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        return self._verify

    async def _look_up(self, name: str, port: int) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        )
        return [ipaddress.ip_address(place[0]) for *_, place in found]


class _Stream(Protocol):
    """A connection of httpcore."""

    async def aclose(self) -> None: ...


@asynccontextmanager
async def _client(verify: ssl.SSLContext) -> AsyncGenerator[httpx.AsyncClient]:
    """Make a client for one request: a connection made for one name must not serve another on the same address.

    All connections that it made are closed on leaving. httpcore 1.0.9 leaves one open when a request is canceled during
    the TLS handshake, or between connecting and the first byte.
    """
    streams: list[_Stream] = []

    async def note_stream(event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            streams.append(info["return_value"])

    async def add_trace(request: httpx.Request) -> None:
        request.extensions["trace"] = note_stream

    timeout = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
    hooks = {"request": [add_trace]}
    try:
        async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=timeout, event_hooks=hooks) as client:
            yield client
    finally:
        for stream in streams:
            await stream.aclose()


async def _send(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    addresses: Sequence[Address],
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> httpx.Response:
    """Return the head of the response; its body is still to be read. Raises DeliveryFailed."""
    headers = {**headers, "host": url.netloc.decode("ascii")}
    extensions = {"sni_hostname": url.raw_host.decode("ascii")}
    failure: httpx.HTTPError | None = None
    for address in _first_of_each_family(addresses):
        target = url.copy_with(host=str(address))
        request = client.build_request(method, target, content=body, headers=headers, extensions=extensions)
        try:
            return await client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise_if_cancelled(error)
            failure = error
        except httpx.HTTPError as error:
            raise DeliveryFailed(_error_kind(error)) from error
    raise DeliveryFailed(_error_kind(failure)) from failure


def _first_of_each_family(addresses: Sequence[Address]) -> list[Address]:
    """Return the first address of each family, in the system's order of preference."""
    first: dict[int, Address] = {}
    for address in addresses:
        first.setdefault(address.version, address)
    return list(first.values())


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the body as it was sent, whatever its encoding. Raises DeliveryFailed."""
    try:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            yield chunk
    except httpx.HTTPError as error:
        raise_if_cancelled(error)
        raise DeliveryFailed(_error_kind(error)) from error


async def _discard_body(response: httpx.Response) -> None:
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read >= RESPONSE_BYTES:
            return


def _error_kind(error: httpx.HTTPError | None) -> DeliveryErrorKind:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return DeliveryErrorKind.TLS
        cause = cause.__cause__ or cause.__context__
    match error:
        case httpx.TimeoutException():
            return DeliveryErrorKind.TIMEOUT
        case httpx.ConnectError():
            return DeliveryErrorKind.NOT_CONNECTED
        case _:
            return DeliveryErrorKind.BROKEN_OFF
