"""Small files of every kind of asset, and assets as their owners make them."""

import hashlib
import io
import math
import struct
import wave
import zlib
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from PIL import Image

from tests.support.client import Client, Json
from tests.support.odd_clips import KINDS, make

ERRORS = "errors { __typename code message path ... on NotFoundError { id } }"
MEDIA = "{ url contentType sizeBytes width height durationSeconds }"
FIELDS = f"""id kind name status sha256 failure {{ code message }} media {MEDIA} poster {MEDIA}
metadata ownerId deletedAt purgeAfter"""
UPLOAD = "upload { method url headers { name value } resumable maxBytes expiresAt }"
PATCH = {"content-type": "application/offset+octet-stream", "tus-resumable": "1.0.0"}


class File(NamedTuple):
    """The bytes of a file, and how it is announced."""

    content: bytes
    kind: str = "IMAGE"
    content_type: str = "image/png"

    @property
    def sha256(self) -> str:
        """The hash of the bytes in lower-case hex."""
        return hashlib.sha256(self.content).hexdigest()

    def announcement(self, **fields: Any) -> Json:
        """Return the input of createAsset."""
        announced = {"kind": self.kind, "contentType": self.content_type, "sizeBytes": len(self.content)}
        return announced | fields


class Announced(NamedTuple):
    """A new asset, and the address of its upload."""

    id: str
    url: str


def picture(width: int = 64, height: int = 48, colour: str = "red", kind: str = "PNG", **options: Any) -> File:
    """A picture in one colour."""
    stored = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stored, kind, **options)
    return File(stored.getvalue(), "IMAGE", f"image/{kind.lower()}")


def picture_that_claims(width: int, height: int) -> File:
    """A PNG whose header names another size: one of this size would take seconds to make."""
    content = picture().content
    header = content[12:16] + struct.pack(">II", width, height) + content[24:29]
    return File(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])


def sound(seconds: float = 0.5) -> File:
    """A tone."""
    stored = io.BytesIO()
    with wave.open(stored, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        count = int(8000 * seconds)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(index / 5))) for index in range(count)))
    return File(stored.getvalue(), "AUDIO", "audio/wav")


def video(folder: Path) -> File:
    """A clip of half a second."""
    return File(make(folder / "asset.mp4", KINDS["plain"]).read_bytes(), "VIDEO", "video/mp4")


async def create(client: Client, announcement: Json, selection: str = "") -> Json:
    """Run createAsset; return its payload."""
    document = f"""mutation($input: CreateAssetInput!) {{
        createAsset(input: $input) {{ asset {{ {FIELDS} }} {UPLOAD} {ERRORS} {selection} }}
    }}"""
    return (await client.execute(document, input=announcement))["createAsset"]


async def act(client: Client, name: str, asset_id: str) -> Json:
    """Run completeAsset, deleteAsset or restoreAsset; return its payload."""
    return await client.mutate(name, f"asset {{ {FIELDS} }} {UPLOAD} {ERRORS}", assetId=asset_id)


async def announced(client: Client, file: File, **fields: Any) -> Announced:
    """Announce a file, which must be accepted and needs an upload to this server."""
    payload = await create(client, file.announcement(**fields))
    assert payload["errors"] == []
    return Announced(payload["asset"]["id"], at(client, payload["upload"]["url"]))


def at(client: Client, url: str) -> str:
    """Return an address of the server with the port that the test reaches it at."""
    parts = urlsplit(url)
    return f"{client.url}{parts.path}?{parts.query}" if parts.query else f"{client.url}{parts.path}"


async def an_asset(client: Client, file: File | None = None, **fields: Any) -> Announced:
    """Make an asset whose bytes are uploaded and not looked at."""
    file = file or picture()
    asset = await announced(client, file, **fields)
    answer = await client.http.put(asset.url, content=file.content)
    assert answer.status_code == 204, answer.text
    return asset


async def a_ready_asset(client: Client, file: File | None = None, **fields: Any) -> Json:
    """Make an asset that is READY; return its fields."""
    asset = await an_asset(client, file, **fields)
    payload = await act(client, "completeAsset", asset.id)
    assert payload["errors"] == [], payload
    assert payload["asset"]["status"] == "READY"
    return payload["asset"]


async def patch(client: Client, url: str, offset: int, content: bytes, **headers: str) -> httpx.Response:
    """Append bytes by tus."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.http.patch(url, content=content, headers=PATCH | {"upload-offset": str(offset)} | named)


async def offset(client: Client, url: str) -> int:
    """Return the number of bytes that have arrived."""
    answer = await client.http.head(url)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["upload-offset"])
