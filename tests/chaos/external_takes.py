"""What becomes of external takes by themselves: their clips are adopted, and those that stay silent fail."""

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.clip_host import clip_bytes, delivered
from tests.support.db_dump import DbDump
from tests.support.delivered_files import PLAIN
from tests.support.violations import Kind, Violation
from tests.support.webhook_receiver import Answer, Received, receiving, status

Json = dict[str, Any]

ADOPTED, SILENT = "adopted clips", "silent takes"
# The host takes up to this long to answer, so that the server is killed while it fetches.
SLOW_SECONDS = 0.5
KINDS = 8


@asynccontextmanager
async def clip_host(folder: Path) -> AsyncGenerator[str]:
    """Run a host of clips; yield its URL, to which a path is added. Of the paths a few have no clip, or none at all."""
    clip = clip_bytes(folder, PLAIN)
    bad: dict[int, Answer] = {0: status(404), 1: delivered(b'{"error": "quota exceeded"}')}

    async def answer(received: Received, writer: asyncio.StreamWriter) -> None:
        number = zlib.crc32(received.path.encode())
        await asyncio.sleep(number % 100 / 100 * SLOW_SECONDS)
        await bad.get(number % KINDS, delivered(clip))(received, writer)

    async with receiving() as receiver:
        receiver.answer = answer
        yield f"http://127.0.0.1:{receiver.port}"


def count(dump: DbDump) -> Counter[str]:
    """Return the numbers of takes that were adopted, and that failed because they were silent."""
    takes = [take for takes in dump.takes.values() for take in takes]
    return Counter({ADOPTED: sum(map(_is_adopted, takes)), SILENT: sum(map(_is_silent, takes))})


def check(dump: DbDump, media: Path, deadline: timedelta) -> Iterator[Violation]:
    """Each adopted take has its files; no take was called silent before the deadline."""
    for take in (take for takes in dump.takes.values() for take in takes):
        if _is_adopted(take):
            missing = [name for name in ("output", "poster", "preview") if not _is_kept(_json(take[name]), media)]
            if missing:
                yield Violation(Kind.LOST_CHANGE, f"the adopted take {take['id']} lacks its {missing}")
        if _is_silent(take):
            lasted = _instant(take["finished_at"]) - _instant(take["created_at"])
            if take["provider"] != "external" or lasted < deadline:
                yield Violation(Kind.LOG, f"the take {take['id']} of {take['provider']} was silent after {lasted}")


def _is_adopted(take: Json) -> bool:
    return take["status"] == "COMPLETED" and "source_url" in _json(take["output"])


def _is_silent(take: Json) -> bool:
    return take["status"] == "FAILED" and _json(take["failure"]).get("code") == "TIMEOUT"


def _is_kept(file: Json, media: Path) -> bool:
    return "key" in file and (media / file["key"]).is_file()


def _json(text: str | None) -> Json:
    return json.loads(text or "null") or {}


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
