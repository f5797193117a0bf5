"""The part of ComfyUI's HTTP and websocket API that is used: https://docs.comfy.org/development/comfyui-server/comms_routes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import quote, urlencode

import httpx
from websockets.asyncio.client import connect

from providers.comfyui.failures import error_of
from providers.comfyui.outputs import File
from providers.comfyui.prompt import Prompt, of_history, of_queue
from providers.comfyui.values import is_object
from providers.hosted.http import complete
from providers.hosted.retrying import NoResponse
from providers.trace_headers import trace_headers

TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=60.0)
LIMITS = httpx.Limits(max_connections=20, max_keepalive_connections=10)
# Of a whole response; TIMEOUT is that of each read.
RESPONSE_SECONDS = 120.0
UPLOAD_SECONDS = 600.0
# A preview is a picture of at most 512 pixels; an output of a node may be reported in full.
MOST_MESSAGE_BYTES = 1 << 24


class Api:
    """Each call is one request. Raises Refused with the reason of a refusal, NoResponse when there is no response."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self._address = address.rstrip("/")
        self._headers = dict(headers)
        self._http = httpx.AsyncClient(
            base_url=f"{self._address}/", headers=self._headers, timeout=TIMEOUT, limits=LIMITS
        )

    async def submit(self, body: Mapping[str, object]) -> str:
        """Queue a prompt and return its id, which versions before 0.3.45 choose themselves. Not idempotent."""
        answer = await self._request("POST", "prompt", json=body)
        name = answer.get("prompt_id") if is_object(answer) else None
        if not isinstance(name, str) or not name:
            raise NoResponse("the response has no prompt_id", harmless=False)
        return name

    async def queue(self) -> list[Prompt]:
        """Return the prompts that run or wait."""
        body = await self._request("GET", "queue")
        if not is_object(body) or "queue_running" not in body:
            raise NoResponse("the response is no queue", harmless=True)
        return of_queue(body)

    async def finished(self, prompt_id: str) -> Prompt | None:
        """Return a prompt of the history."""
        body = await self._request("GET", f"history/{quote(prompt_id, safe='')}")
        if not is_object(body):
            raise NoResponse("the response is no history", harmless=True)
        return next((prompt for prompt in of_history(body) if prompt.id == prompt_id), None)

    async def recent(self, most: int) -> list[Prompt]:
        """Return the last prompts of the history."""
        return of_history(await self._request("GET", "history", params={"max_items": str(most)}))

    async def version(self) -> str:
        """Return the version of ComfyUI and the names of its devices."""
        body = await self._request("GET", "system_stats")
        system = body.get("system") if is_object(body) else None
        if not is_object(body) or not is_object(system):
            raise NoResponse("the response is not that of ComfyUI", harmless=True)
        devices = body.get("devices")
        listed = cast("list[object]", devices) if isinstance(devices, list) else []
        names = [str(device.get("name")) for device in listed if is_object(device)]
        return f"ComfyUI {system.get('comfyui_version', 'of unknown version')}, {', '.join(names) or 'no device'}"

    async def delete(self, prompt_id: str) -> None:
        """Take a prompt out of the queue, if it waits there."""
        await self._request("POST", "queue", json={"delete": [prompt_id]})

    async def interrupt(self, prompt_id: str) -> None:
        """Interrupt a prompt if it runs; versions before 0.3.57 interrupt whatever runs."""
        await self._request("POST", "interrupt", json={"prompt_id": prompt_id})

    async def upload(self, content: AsyncIterator[bytes], size_bytes: int, boundary: str) -> object:
        """Store a file in the folder of inputs; `content` is the multipart body of this size. Idempotent."""
        headers = {"content-type": f"multipart/form-data; boundary={boundary}", "content-length": str(size_bytes)}
        return await self._request("POST", "upload/image", content=content, headers=headers, seconds=UPLOAD_SECONDS)

    @asynccontextmanager
    async def download(self, file: File) -> AsyncGenerator[httpx.Response]:
        """Request a file; yield the response, its body unread."""
        query = {"filename": file.name, "subfolder": file.subfolder, "type": file.folder}
        try:
            async with self._http.stream("GET", "view", params=query) as response:
                yield response
        except httpx.RequestError as error:
            raise _no_response(error) from error

    def messages(self, client_id: str) -> connect:
        """Return the websocket on which ComfyUI reports the prompts of a client id; it raises many errors."""
        scheme = "wss" if self._address.startswith("https:") else "ws"
        address = f"{scheme}://{self._address.partition('://')[2]}/ws?{urlencode({'clientId': client_id})}"
        return connect(address, additional_headers=self._headers, max_size=MOST_MESSAGE_BYTES, close_timeout=1.0)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        content: AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        seconds: float = RESPONSE_SECONDS,
    ) -> object:
        """Return the JSON of a response; None for one without content."""
        sent = {**trace_headers(), **(headers or {})}
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream(method, path, json=json, content=content, headers=sent, params=params) as streamed,
            ):
                response = await complete(streamed)
        except TimeoutError as error:
            raise NoResponse("the response takes too long", harmless=False) from error
        except httpx.RequestError as error:
            raise _no_response(error) from error
        if not response.is_success:
            raise error_of(response)
        try:
            return response.json() if response.content else None
        except (ValueError, RecursionError) as error:
            raise NoResponse("the response is not JSON", harmless=False) from error


def _no_response(error: httpx.RequestError) -> NoResponse:
    # Without a connection the request had no effect; on one that broke it may have had.
    harmless = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return NoResponse(type(error).__name__, harmless=harmless)
