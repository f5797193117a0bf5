"""Clips that arrive from elsewhere: written to a file within a limit, and recognised by their first bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from providers.clips.containers import HEAD_BYTES
from providers.files import opened_for_writing
from providers.port import Failure


async def receive(chunks: AsyncIterator[bytes], path: Path, most_bytes: int, kind_of: Callable[[bytes], str]) -> str:
    """Write a file of at most `most_bytes`, and return its kind, which `kind_of` finds from its first HEAD_BYTES.

    Nothing more is read once `kind_of` has raised. Raises Failure (OUTPUT_TOO_LARGE), and OSError.
    """
    head, kind, written = b"", None, 0
    async with opened_for_writing(path) as opened:
        async for chunk in chunks:
            written += len(chunk)
            if written > most_bytes:
                raise too_large(most_bytes)
            await asyncio.to_thread(opened.write, chunk)
            head += chunk[: HEAD_BYTES - len(head)]
            if kind is None and len(head) == HEAD_BYTES:
                kind = kind_of(head)
    return kind or kind_of(head)


def check_length(content_length: str, most_bytes: int) -> None:
    """Raise Failure (OUTPUT_TOO_LARGE) when the header Content-Length announces more."""
    if content_length.isdecimal() and int(content_length[:18]) > most_bytes:
        raise too_large(most_bytes)


def too_large(most_bytes: int) -> Failure:
    """Return the failure of a clip that is larger than this."""
    message = f"The clip is larger than the {most_bytes} bytes that this server accepts."
    return Failure("OUTPUT_TOO_LARGE", message, retryable=False)
