"""The media store: a small file is written, read by its address, and deleted again."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx

from coordinator.storage.keys import PROBE
from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import MediaRefused, reason_of, refused_errors
from coordinator.storage.media_folder import folder_of
from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from server.commands.doctor.database import room
from server.commands.doctor.findings import Check, Finding, Findings, State, apart
from server.settings import PREFIX, Settings

CONTENT = b"written by scenewire doctor"
LIFETIME = timedelta(minutes=1)
# For a small file; a check has a limit of its own, too.
ANSWER_SECONDS = 10.0
URL = f"{PREFIX}MEDIA_URL"


class _Refused(Exception):
    """A step failed; the message says which, and why."""


async def _media(settings: Settings) -> Findings:
    try:
        store = await apart(lambda: MediaStore(settings.media_url))
        folder = await apart(lambda: folder_of(settings.media_url))
    except Exception as error:
        raise_if_cancelled(error)
        yield Finding("media", State.FAIL, f"{settings.media_url}: {reason_of(error)}", f"correct {URL}")
        return
    key = f"{PROBE}.{uuid.uuid4().hex}.bin"
    try:
        async with _written(store, key):
            yield Finding("media", State.OK, f"a file can be written and read: {settings.media_url}")
            if folder is None:
                async for finding in _signed(store, settings, key):
                    yield finding
            else:
                yield Finding("media", State.OK, "links to files are served, and in production signed, by the server")
        yield Finding("media", State.OK, "the file was deleted again")
    except _Refused as error:
        if folder is None:
            todo = f"correct {URL}, the variables with the credentials of the bucket, and what these allow"
        else:
            todo = f"let this user write there, or set {URL} to another folder or a bucket"
        yield Finding("media", State.FAIL, f"{settings.media_url}: {error}", todo)
    if folder is not None:
        yield await apart(lambda: room("media", folder))


@asynccontextmanager
async def _written(store: MediaStore, key: str) -> AsyncGenerator[None]:
    """Write and read a file, which is deleted at the end of the block. Raises _Refused."""
    async with _step("it cannot be written"):
        await store.put(key, CONTENT)
    try:
        async with _step("it cannot be read"):
            content = b"".join([chunk async for chunk in store.read(key, 0, len(CONTENT))])
        if content != CONTENT:
            raise _Refused("what was read is not what was written")
        yield
    finally:
        async with _step("a file cannot be deleted"):
            await store.delete(key)


@asynccontextmanager
async def _step(what: str) -> AsyncGenerator[None]:
    try:
        with refused_errors():
            yield
    except MediaRefused as error:
        raise _Refused(f"{what}: {error}") from error
    except Unavailable as error:
        cause = error.__cause__
        reason = f" ({reason_of(cause)})" if cause is not None else ""
        raise _Refused(f"{what}: {error}{reason}") from error


async def _signed(store: MediaStore, settings: Settings, key: str) -> Findings:
    """Use addresses that the bucket signs, as clients do."""
    if not (settings.media_redirects or settings.direct_uploads):
        yield Finding("media", State.OK, "addresses of the bucket are not used by these settings")
        return
    reading, writing = await store.address(key, "GET", LIFETIME), await store.address(key, "PUT", LIFETIME)
    if reading is None or writing is None:
        found = "addresses of the bucket cannot be signed, so that every byte passes through the server"
        yield Finding("media", State.WARN, found, "give the server a key that can sign, or leave it at that")
        return
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
        try:
            read = await client.get(reading)
            written = await client.put(writing, content=CONTENT, headers=store.put_headers)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__} {error}".strip()
            yield Finding("media", State.FAIL, f"signed addresses cannot be reached: {reason}", _unsigned(settings))
            return
    if settings.media_redirects and read.content != CONTENT:
        found = f"a signed address cannot be read: status {read.status_code}"
        yield Finding("media", State.FAIL, found, _unsigned(settings))
    elif settings.direct_uploads and not written.is_success:
        found = f"a signed address cannot be written: status {written.status_code}"
        yield Finding("media", State.FAIL, found, _unsigned(settings))
    else:
        yield Finding("media", State.OK, "addresses that the bucket signs can be read and written")


def _unsigned(settings: Settings) -> str:
    used = [name for name, on in _by_address(settings).items() if on]
    off = " and ".join(f"{PREFIX}{name}=false" for name in used)
    return f"let clients reach the bucket, and the key read and write in it; or set {off}"


def _by_address(settings: Settings) -> dict[str, bool]:
    return {"MEDIA_REDIRECTS": settings.media_redirects, "DIRECT_UPLOADS": settings.direct_uploads}


CHECKS = (Check("media", _media),)
