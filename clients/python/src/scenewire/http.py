"""GraphQL over HTTP."""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from scenewire.address import Address
from scenewire.errors import Json, NoServer, RateLimited, TokenRefused, Unavailable, UserError, failure
from scenewire.tokens import Tokens
from scenewire.version import VERSION

CONNECT_SECONDS = 5.0
UNAVAILABLE_STATUSES = (502, 503, 504)
HEADERS = {
    "accept": "application/graphql-response+json, application/json;q=0.9",
    "user-agent": f"scenewire-python/{VERSION}",
}


class Http:
    """Requests to one server."""

    def __init__(self, address: Address, tokens: Tokens, timeout_seconds: float) -> None:
        self._url = address.http
        self._tokens = tokens
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            headers=HEADERS,
            # Loading certificate authorities takes 50 ms, and plain HTTP needs none.
            verify=address.tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    async def execute(self, document: str, variables: Mapping[str, Any]) -> Json:
        """Run a query or mutation; return `data`. A refused token is renewed once.

        Raises Refused, TokenRefused, Unavailable, ServerError.
        """
        token = await self._tokens.current()
        try:
            return await self._send(token, document, variables)
        except TokenRefused as refused:
            await self._tokens.replace(token, str(refused))
        return await self._send(await self._tokens.current(), document, variables)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, token: str | None, document: str, variables: Mapping[str, Any]) -> Json:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        try:
            response = await self._http.post(
                self._url, json={"query": document, "variables": variables}, headers=headers
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NoServer(reason_of(error)) from error
        except httpx.TransportError as error:
            raise Unavailable(f"The answer was lost: {reason_of(error)}") from error
        return _data(response)


def reason_of(error: BaseException) -> str:
    """Return the text of the first cause of an error, which names what the operating system said."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or type(error).__name__


def _data(response: httpx.Response) -> Json:
    body = _body(response)
    errors = body.get("errors")
    if errors:
        raise failure(errors)
    if response.status_code == 200 and isinstance(body.get("data"), dict):
        return body["data"]
    raise _strange(response)


def _body(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        raise _strange(response) from None
    if not isinstance(body, dict):
        raise _strange(response)
    return body  # pyright: ignore[reportUnknownVariableType]  # JSON


def _strange(response: httpx.Response) -> Exception:
    """Return the exception for an answer that is not GraphQL, such as that of a proxy."""
    sentence = f"{response.url} answered {response.status_code} {response.reason_phrase}, which is no GraphQL response."
    match response.status_code:
        case 401:
            return TokenRefused(sentence)
        case 429:
            wait = retry_after(response.headers.get("retry-after"))
            return RateLimited([UserError("RATE_LIMITED", sentence, None, {"retryAfterSeconds": wait})])
        case status if status in UNAVAILABLE_STATUSES:
            return Unavailable(sentence)
        case _:
            return failure([{"message": sentence, "extensions": {"code": "BAD_RESPONSE"}}])


def retry_after(header: str | None) -> float:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3); 1 for a date or none."""
    return float(header) if header is not None and header.isdecimal() else 1.0
