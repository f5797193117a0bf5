"""Requests to a hosted service: JSON with its token, and downloads from the hosts that serve its outputs."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import httpx

from providers.hosted.failures import error_of
from providers.hosted.retrying import NoResponse, Refused
from providers.port import Failure
from providers.trace_headers import trace_headers

TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=60.0)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10)
# Of a whole response that is JSON; TIMEOUT is that of each read. An output may hold a clip itself, in base64.
RESPONSE_SECONDS = 120.0
# An upload of a file may take longer.
UPLOAD_SECONDS = 600.0
MOST_RESPONSE_BYTES = 1 << 27
MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Service:
    """A hosted service. `name` is that of its messages, `authorization` the value of the header, `secret` its token.

    Outputs are fetched from `delivery` and its subdomains, and from the host of `address`; an output is untrusted, and
    could otherwise make this server request private addresses (SSRF). None: from any public host, for a service that
    returns the address itself and redirects to the storage of others. The token is sent to the host of `address`, and
    to those of `delivery` when `delivers_by_token`.
    """

    name: str
    address: str
    authorization: str
    secret: str
    delivery: tuple[str, ...] | None = ()
    delivers_by_token: bool = False


Files = Mapping[str, tuple[str, BinaryIO, str]]


class Http:
    """Each call is one request. Raises Refused with the reason of a refusal, NoResponse when there is no response."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._address = httpx.URL(service.address.rstrip("/") + "/")
        self._http = httpx.AsyncClient(headers={"user-agent": "scenewire"}, timeout=TIMEOUT, limits=LIMITS)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        files: Files | None = None,
    ) -> dict[str, object]:
        """Return the JSON object of a response; an empty one when it is other JSON."""
        body, _ = await self.response(method, path, json=json, headers=headers, params=params, files=files)
        return body

    async def response(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        files: Files | None = None,
    ) -> tuple[dict[str, object], Mapping[str, str]]:
        """Return the JSON object of a response, and its headers with their names in lower case."""
        token = {"authorization": self.service.authorization} if self.service.authorization else {}
        sent = {**trace_headers(), **token, **(headers or {})}
        request = self._http.build_request(
            method, str(self._address) + path, json=json, headers=sent, params=params, files=files
        )
        try:
            async with asyncio.timeout(UPLOAD_SECONDS if files else RESPONSE_SECONDS):
                streamed = await self._http.send(request, stream=True)
                try:
                    response = await complete(streamed)
                finally:
                    await streamed.aclose()
        except TimeoutError as error:
            raise NoResponse("the response takes too long", harmless=False) from error
        except httpx.RequestError as error:
            raise _no_response(error) from error
        if not response.is_success:
            raise error_of(response, self.service.secret, service=self.service.name)
        try:
            body: object = response.json()
        except (ValueError, RecursionError) as error:
            raise NoResponse("the response is not JSON", harmless=False) from error
        return cast("dict[str, object]", body) if isinstance(body, dict) else {}, streamed.headers

    @asynccontextmanager
    async def download(self, address: str) -> AsyncGenerator[httpx.Response]:
        """Request an output file; yield the response, its body unread.

        Redirects are followed to addresses that are allowed. Raises Failure (OUTPUT_REFUSED) for any other; for a
        redirect that is Refused, since it may come from a proxy.
        """
        url = await self._allowed(address)
        try:
            for _ in range(1 + MOST_REDIRECTS):
                async with self._http.stream("GET", url, headers=self._token_for(url)) as response:
                    if not response.has_redirect_location:
                        yield response
                        return
                    url = await self._target(response)
        except httpx.RequestError as error:
            raise _no_response(error) from error
        raise Refused("OUTPUT_REFUSED", f"The output is behind more than {MOST_REDIRECTS} redirects.", retryable=False)

    def _token_for(self, url: httpx.URL) -> dict[str, str]:
        service = self.service
        trusted = self._is_own(url) or (service.delivers_by_token and _is_at(url, service.delivery or ()))
        return {"authorization": service.authorization} if trusted else {}

    async def _target(self, response: httpx.Response) -> httpx.URL:
        try:
            return await self._allowed(str(response.url.join(response.headers["location"])))
        except httpx.InvalidURL as error:
            raise Refused("OUTPUT_REFUSED", "The output is redirected to what is no URL.", retryable=False) from error
        except Failure as failure:
            raise Refused(failure.code, f"After a redirect: {failure.message}", retryable=False) from failure

    async def _allowed(self, address: str) -> httpx.URL:
        try:
            url = httpx.URL(address)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Failure("OUTPUT_REFUSED", "The model's output is not a URL.", retryable=False) from error
        delivery = self.service.delivery
        if self._is_own(url) or (await _is_public(url) if delivery is None else _is_at(url, delivery)):
            return url
        message = (
            f"The model's output is on {url.host[:100] or 'no host'}, which is not {self.service.name}'s delivery."
        )
        raise Failure("OUTPUT_REFUSED", message, retryable=False)

    def _is_own(self, url: httpx.URL) -> bool:
        own = self._address
        return (url.scheme, url.host, url.port) == (own.scheme, own.host, own.port)


async def complete(streamed: httpx.Response) -> httpx.Response:
    """Read a response to its end. Raises NoResponse when it is too large, and httpx.RequestError."""
    content = bytearray()
    async for chunk in streamed.aiter_bytes():
        content += chunk
        if len(content) > MOST_RESPONSE_BYTES:
            raise NoResponse("the response is too large", harmless=False)
    headers = {name: value for name, value in streamed.headers.items() if name == "retry-after"}
    return httpx.Response(streamed.status_code, headers=headers, content=bytes(content))


def _is_at(url: httpx.URL, hosts: tuple[str, ...]) -> bool:
    return url.scheme == "https" and any(url.host == host or url.host.endswith(f".{host}") for host in hosts)


async def _is_public(url: httpx.URL) -> bool:
    """Return whether the address is https and its host has public addresses only."""
    if url.scheme != "https" or not url.host:
        return False
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    addresses = [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
    return bool(addresses) and all(each.is_global and not each.is_multicast for each in addresses)


def _no_response(error: httpx.RequestError) -> NoResponse:
    # Without a connection the request had no effect; on one that broke it may have had.
    harmless = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return NoResponse(type(error).__name__, harmless=harmless)
