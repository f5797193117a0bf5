"""Requests to addresses that users chose: they reach nothing that only this server can reach (SSRF).

The name is resolved once, every address it has is checked, and a checked one is connected to, under the name's own
certificate and Host: a name that answers differently the next time (DNS rebinding) gains nothing. No redirect is
followed, and no proxy of the environment is asked.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

import httpx

from coordinator.webhooks.ssrf import Address, is_public

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 10.0
# Of an answer's body at most so much is read, and nothing is kept.
ANSWER_BYTES = 64 * 1024
# A name server that does not answer holds a thread; it must not hold those that files are read in.
RESOLVING_THREADS = 8

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]


class DeliveryErrorKind(StrEnum):
    """Why a request got no answer, in a word that may be shown to its user."""

    NOT_ALLOWED = "NOT_ALLOWED"
    NOT_RESOLVED = "NOT_RESOLVED"
    NOT_CONNECTED = "NOT_CONNECTED"
    TLS = "TLS"
    TIMEOUT = "TIMEOUT"
    BROKEN_OFF = "BROKEN_OFF"


class DeliveryFailed(Exception):
    """There is no answer."""

    def __init__(self, trouble: DeliveryErrorKind) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


class Policy(NamedTuple):
    """What is allowed beyond https to public addresses; on a laptop, where there is nobody else, both."""

    http: bool = False
    loopback: bool = False


class DeliveryResponse(NamedTuple):
    """The head of an answer; `retry_after` is that header as it came."""

    status: int
    retry_after: str | None


class Outbound:
    """Sends requests under a policy. `resolve` and `verify` are replaced by tests."""

    def __init__(self, policy: Policy, *, resolve: Resolve | None = None, verify: ssl.SSLContext | None = None) -> None:
        self.policy = policy
        self._threads = ThreadPoolExecutor(RESOLVING_THREADS, thread_name_prefix="resolve")
        self._resolve = resolve or self._look_up
        self._verify = verify
        self._http: httpx.AsyncClient | None = None

    def parsed(self, address: str) -> httpx.URL:
        """The address, if it is one that may be called as far as can be seen. Raises DeliveryFailed (NOT_ALLOWED)."""
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL as error:
            raise DeliveryFailed(DeliveryErrorKind.NOT_ALLOWED) from error
        schemes = ("http", "https") if self.policy.http else ("https",)
        port = 443 if url.port is None else url.port
        strange = url.userinfo or "%" in url.host or not url.host or not 0 < port < 65_536
        if url.scheme not in schemes or strange:
            raise DeliveryFailed(DeliveryErrorKind.NOT_ALLOWED)
        return url

    async def reachable(self, address: str) -> None:
        """Raise DeliveryFailed when the address may not be called, or its name cannot be resolved, now."""
        await self._checked(self.parsed(address))

    async def post(self, address: str, body: bytes, headers: Mapping[str, str]) -> DeliveryResponse:
        """Send one request. Raises DeliveryFailed; whether the other side got it may be unknown then."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS) as whole:
                url = self.parsed(address)
                answer = await self._send(url, await self._checked(url), body, headers)
        except TimeoutError as error:
            raise DeliveryFailed(DeliveryErrorKind.TIMEOUT) from error
        try:
            # The first line has decided; the other side may finish what it says, within bounds.
            with suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout_at(whole.when()):
                    await _read_some(answer)
        finally:
            await answer.aclose()
        return DeliveryResponse(answer.status_code, answer.headers.get("retry-after"))

    async def close(self) -> None:
        """Hang up."""
        if self._http is not None:
            await self._http.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _checked(self, url: httpx.URL) -> Sequence[Address]:
        """All addresses of the name; one that is not allowed spoils them all."""
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

    async def _send(
        self, url: httpx.URL, addresses: Sequence[Address], body: bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        """The head of the answer; the body is still to be read."""
        http = await self._client()
        named = {**headers, "host": url.netloc.decode("ascii")}
        failed: httpx.HTTPError | None = None
        for address in _to_try(addresses):
            request = http.build_request(
                "POST",
                url.copy_with(host=str(address)),
                content=body,
                headers=named,
                extensions={"sni_hostname": url.raw_host.decode("ascii")},
            )
            try:
                return await http.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
            except httpx.HTTPError as error:
                raise DeliveryFailed(_trouble(error)) from error
        raise DeliveryFailed(_trouble(failed)) from failed

    async def _client(self) -> httpx.AsyncClient:
        # Reading all the authorities that are trusted takes a while, and most processes never need them.
        verify = self._verify or await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        self._verify = verify
        if self._http is None:
            self._http = httpx.AsyncClient(
                verify=verify,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
                # A connection that was kept for one name must not serve another on the same address.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        return self._http

    async def _look_up(self, name: str, port: int) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        )
        return [ipaddress.ip_address(place[0]) for *_, place in found]


def _to_try(addresses: Sequence[Address]) -> list[Address]:
    """The first address of each family, in the system's order of preference."""
    firsts: dict[int, Address] = {}
    for address in addresses:
        firsts.setdefault(address.version, address)
    return list(firsts.values())


async def _read_some(answer: httpx.Response) -> None:
    read = 0
    async for piece in answer.aiter_raw():
        read += len(piece)
        if read >= ANSWER_BYTES:
            return


def _trouble(error: httpx.HTTPError | None) -> DeliveryErrorKind:
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
