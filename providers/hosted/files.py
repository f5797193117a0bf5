"""The files of an order, as addresses that a hosted service can read."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from providers.port import Failure, InputFile, Order

# Services advise data URLs for files below this, and refuse requests of many megabytes.
MOST_INLINE_BYTES = 256_000
# Of all files of an order that are sent inline: each is in memory a few times until it is sent.
MOST_SENT_BYTES = 20_000_000

Upload = Callable[[Path, str], Awaitable[str]]


async def addresses(order: Order, upload: Upload | None = None) -> Mapping[int, str]:
    """Return the addresses of the order's inputs, by their index.

    A small file is its own address (RFC 2397). Others are read by the service at a signed address of this server, or
    are uploaded to it; without either they are sent inline. Raises Failure when a file cannot be read, and
    (INPUT_TOO_LARGE) when there is too much to send.
    """
    found: dict[int, str] = {}
    left = MOST_SENT_BYTES
    for index, given in enumerate(order.inputs):
        address = await _address(given, upload)
        if address is None:
            left -= given.size_bytes
            address = await _inline(given) if left >= 0 else None
        if address is None:
            message = (
                f"The files are larger than the {MOST_SENT_BYTES // 1_000_000} MB that can be sent to the service. It "
                "reads larger ones from this server, with an https PUBLIC_URL."
            )
            raise Failure("INPUT_TOO_LARGE", message, retryable=False)
        found[index] = address
    return found


async def _address(given: InputFile, upload: Upload | None) -> str | None:
    """Return where the service reads a file; None for one that is sent inline."""
    if given.size_bytes > MOST_INLINE_BYTES:
        signed = await given.url()
        # A service reaches no address of this machine.
        if signed is not None and signed.startswith("https://"):
            return signed
        if upload is not None:
            return await upload(await given.path(), given.content_type)
    return None


async def _inline(given: InputFile) -> str:
    content = await asyncio.to_thread((await given.path()).read_bytes)
    return f"data:{given.content_type};base64,{base64.b64encode(content).decode()}"
