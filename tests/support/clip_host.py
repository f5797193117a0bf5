"""A host of clips that workers outside the server have made; a test can make it misbehave."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.odd_clips import Odd, make
from tests.support.webhook_receiver import Answer, Received, Receiver, receiving, status


def delivered(content: bytes, content_type: str = "video/mp4") -> Answer:
    """Return a handler that delivers this file."""
    return status(200, f"content-type: {content_type}", body=content)


def redirected(location: str, code: int = 302) -> Answer:
    """Return a handler that redirects."""
    return status(code, f"location: {location}")


class Host:
    """A server on loopback. `files` has the handler of each path; another path is answered by 404."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.files: dict[str, Answer] = {}
        receiver.answer = self._answer

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.receiver.port}{path}"

    @property
    def asked(self) -> list[str]:
        """The requested paths, in order."""
        return [each.path for each in self.receiver.received]

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> None:
        await self.files.get(received.path, status(404))(received, writer)


class Gate:
    """Holds answers back until it is opened."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.opened = asyncio.Event()

    async def __call__(self, received: Received, writer: asyncio.StreamWriter) -> None:
        """Answer once the gate is open."""
        await self.opened.wait()
        await self._answer(received, writer)


@asynccontextmanager
async def hosting() -> AsyncGenerator[Host]:
    """Run a host on a free port."""
    async with receiving() as receiver:
        yield Host(receiver)


def clip_bytes(folder: Path, kind: Odd | Callable[[Path], object]) -> bytes:
    """Return a clip of this kind, or the file that a function makes."""
    path = folder / "made"
    if isinstance(kind, Odd):
        make(path, kind)
    else:
        kind(path)
    return path.read_bytes()
