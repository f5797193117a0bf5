"""Uploads of inputs. Their names at ComfyUI are those of their contents, so that an upload can be repeated."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from providers.comfyui.api import Api
from providers.comfyui.failures import unavailable
from providers.comfyui.values import is_object
from providers.hosted.retrying import NoResponse, Pace, Refused, retry_until_available
from providers.port import Failure, InputFile

SUBFOLDER = "scenewire"
CHUNK_BYTES = 1 << 20
# Nodes choose the decoder by the suffix, or list files of such suffixes only.
_SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/vnd.wave": "wav",
    "audio/webm": "webm",
}


class Uploads:
    """Uploads files to the folder of inputs."""

    def __init__(self, api: Api, pace: Pace) -> None:
        self._api = api
        self._pace = pace

    async def upload(self, file: InputFile) -> str:
        """Return the name by which nodes load the file. Raises Failure."""
        path = await file.path()
        digest, size_bytes = await asyncio.to_thread(_digest, path)
        name = f"{digest}.{_SUFFIXES.get(file.content_type, 'bin')}"
        try:
            return await retry_until_available(
                self._pace, lambda: self._attempt(path, name, size_bytes), give_up_after=self._pace.give_up_after
            )
        except NoResponse as error:
            raise unavailable() from error
        except Refused as refusal:
            raise Failure(refusal.code, refusal.message, retryable=False) from refusal

    async def _attempt(self, path: Path, name: str, size_bytes: int) -> str:
        boundary = secrets.token_hex(16)
        # Without `overwrite` ComfyUI keeps a file of this name that is equal, which a prompt may be reading, and gives
        # another name to one that differs, such as after a disk was full.
        head = _field(boundary, "subfolder", SUBFOLDER) + _field(boundary, "type", "input")
        disposition = f'form-data; name="image"; filename="{name}"'
        head += f"--{boundary}\r\ncontent-disposition: {disposition}\r\ncontent-type: application/octet-stream\r\n\r\n"
        tail = f"\r\n--{boundary}--\r\n".encode()
        size = len(head.encode()) + size_bytes + len(tail)
        answer = await self._api.upload(_body(head.encode(), path, tail), size, boundary)
        stored = answer.get("name") if is_object(answer) else None
        if not is_object(answer) or not isinstance(stored, str) or not stored:
            raise NoResponse("the response has no name", harmless=True)
        subfolder = answer.get("subfolder")
        return f"{subfolder}/{stored}" if isinstance(subfolder, str) and subfolder else stored


def _field(boundary: str, name: str, value: str) -> str:
    return f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


async def _body(head: bytes, path: Path, tail: bytes) -> AsyncIterator[bytes]:
    yield head
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    yield tail


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest[:40], file.tell()
