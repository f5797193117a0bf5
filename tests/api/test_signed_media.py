"""Signed media URLs in production: valid until they expire, and only with their exact signature."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import httpx
import pytest
import pytest_asyncio

from providers.scripted import ScriptedProvider
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.factories import UNUSED_SUFFIX, a_job, report
from tests.support.queries import read_scene
from tests.support.tokens import ProductionServer, production_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = "http://scenewire.test"
MEDIA = "{ url expiresAt }"


class Rendered(NamedTuple):
    """A scene with its files, its server and its owner."""

    server: ProductionServer
    owner: Client
    scene_id: str
    job_id: str

    async def output(self) -> tuple[str, str]:
        """Query the URL of the clip; return its path and query string."""
        url: str = (await read_scene(self.owner, self.scene_id, f"output {MEDIA}"))["output"]["url"]
        path, _, query = url.removeprefix(ORIGIN).partition("?")
        return path, query

    async def get(self, address: str, **headers: str) -> httpx.Response:
        """Request a path without a token."""
        return await self.server.client(None).http.get(address, headers=headers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rendered(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Rendered]:
    """A clip of the scripted provider at a production server."""
    async with production_server(tmp_path_factory.mktemp("media"), {"scripted": ScriptedProvider()}) as server:
        owner = server.user("olga")
        made = await jobs.make(owner, jobs.scene(steps=1), provider="scripted", start=True)
        assert await jobs.settled(owner, made.id) == "COMPLETED"
        yield Rendered(server, owner, made.scenes[0], made.id)


def comparable(answer: httpx.Response) -> tuple[int, bytes, Json]:
    """Return status, body and headers, without those that differ in every response."""
    varying = ("date", "x-request-id")
    return (
        answer.status_code,
        answer.content,
        {name: value for name, value in answer.headers.items() if name not in varying},
    )


async def test_signed_url_serves_its_file_until_it_expires(rendered: Rendered) -> None:
    """For five minutes at most, as do caches; ranges and HEAD work as in development."""
    files = await read_scene(rendered.owner, rendered.scene_id, f"output {MEDIA} poster {MEDIA} preview {MEDIA}")
    for file in files.values():
        left = datetime.fromisoformat(file["expiresAt"]) - datetime.now(UTC)
        assert timedelta(seconds=240) < left <= timedelta(seconds=300)
        answer = await rendered.get(file["url"].removeprefix(ORIGIN))
        assert answer.status_code == 200
        max_age = int(answer.headers["cache-control"].removeprefix("private, max-age=").removesuffix(", immutable"))
        assert 0 < max_age <= left.total_seconds()
    path, query = await rendered.output()
    part = await rendered.get(f"{path}?{query}", range="bytes=4-7")
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert (await rendered.server.client(None).http.head(f"{path}?{query}")).status_code == 200


async def test_media_urls_of_rest_are_signed(rendered: Rendered) -> None:
    """As those of GraphQL."""
    scene = (await rendered.owner.http.get(f"/api/v3/jobs/{rendered.job_id}/scenes/{rendered.scene_id}")).json()["data"]
    for name in ("video_url", "poster_url"):
        assert (await rendered.get(scene[name].removeprefix(ORIGIN))).status_code == 200


async def test_media_url_with_a_wrong_signature_is_404(rendered: Rendered) -> None:
    """With the same bytes as for a missing file."""
    path, query = await rendered.output()
    values = {name: value for name, (value,) in parse_qs(query).items()}
    expires, signature = values["expires"], values["signature"]
    other: str = (await read_scene(rendered.owner, rendered.scene_id, f"poster {MEDIA}"))["poster"]["url"]
    missing = comparable(
        await rendered.get(f"/media/job_{UNUSED_SUFFIX}/scene_{UNUSED_SUFFIX}/take_{UNUSED_SUFFIX}.mp4")
    )
    assert missing[0] == 404
    wrong = [
        "",
        f"expires={expires}",
        f"signature={signature}",
        f"expires={expires}&signature=",
        f"expires=&signature={signature}",
        f"expires={int(expires) + 1}&signature={signature}",
        f"expires={int(expires) - 1}&signature={signature}",
        f"expires=0{expires}&signature={signature}",
        f"expires=%20{expires}&signature={signature}",
        f"expires={expires}&signature={signature.upper()}",
        f"expires={expires}&signature={signature}0",
        f"expires={expires}&signature={signature[:-1]}",
        f"expires={expires}&signature={'0' * 64}",
        f"expires={expires}&signature=%C3%A9%00",
        f"expires=9{'9' * 400}&signature={signature}",
        f"expires={expires}&expires={expires}&signature={signature}",
        f"expires={expires}&signature={signature}&signature={signature}",
        other.partition("?")[2],
    ]
    for each in wrong:
        assert comparable(await rendered.get(f"{path}?{each}")) == missing, each
    for prefix in ("/media/live/..%2f..", "/media//"):
        answer = await rendered.get(f"{prefix}{path.removeprefix('/media')}?{query}")
        assert answer.status_code in (401, 404)
    # A path that is not a media key is not served even with a valid signature.
    link = rendered.server.app.container.signed_urls("../secret.txt").url.removeprefix(ORIGIN)
    assert (await rendered.get(link)).status_code in (401, 404)


async def test_signed_url_of_another_server_is_404(rendered: Rendered, tmp_path: Path) -> None:
    """Its key is different."""
    path, _ = await rendered.output()
    async with production_server(tmp_path, auth_secret="a different secret of a different server") as other:
        key = path.removeprefix("/media/")
        assert (await rendered.get(other.app.container.signed_urls(key).url.removeprefix(ORIGIN))).status_code == 404
        assert (
            await rendered.get(rendered.server.app.container.signed_urls(key).url.removeprefix(ORIGIN))
        ).status_code == 200


async def test_expired_media_url_is_404(tmp_path: Path) -> None:
    """With the same bytes as for a missing file."""
    async with production_server(tmp_path, {"scripted": ScriptedProvider()}, media_url_seconds=1) as server:
        owner = server.user("olga")
        made = await jobs.make(owner, jobs.scene(steps=1), provider="scripted", start=True)
        await jobs.settled(owner, made.id)
        clip = Rendered(server, owner, made.scenes[0], made.id)
        path, query = await clip.output()

        async def is_expired() -> bool:
            return (await clip.get(f"{path}?{query}")).status_code == 404

        await eventually(is_expired)
        missing = await clip.get(f"/media/job_{UNUSED_SUFFIX}/scene_{UNUSED_SUFFIX}/take_{UNUSED_SUFFIX}.mp4")
        assert comparable(await clip.get(f"{path}?{query}")) == comparable(missing)


async def test_preview_url_of_a_running_render_is_signed(rendered: Rendered) -> None:
    """Each frame has its own URL, which caches do not keep."""
    script: Json = {"outcome": "stall", "steps": 3, "frames": True, "stepSeconds": 0.01}
    made = await jobs.make(rendered.owner, jobs.scene(**script), provider="scripted", start=True)
    document = f"subscription($id: ID!) {{ jobEvents(jobId: $id) {{ ... on SceneProgress {{ preview {MEDIA} }} }} }}"
    async with rendered.owner.subscribe(document, id=made.id) as stream:
        preview: Json | None = None
        while preview is None:
            preview = (await stream.next())["jobEvents"].get("preview")
    assert preview["expiresAt"] is not None
    address = preview["url"].removeprefix(ORIGIN)
    assert "frame=" in address
    answer = await rendered.get(address)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (await rendered.get(address.partition("&")[0])).status_code == 404
    await jobs.change(rendered.owner, "cancelJob", jobId=made.id)


async def test_media_url_of_an_external_worker_is_not_signed(rendered: Rendered) -> None:
    """It is returned as it was reported."""
    made = await a_job(rendered.owner, "One")
    await report(rendered.owner, made.scenes[0], "COMPLETED", outputUrl="https://clips.test/1.mp4?key=theirs")
    output = (await read_scene(rendered.owner, made.scenes[0], f"output {MEDIA}"))["output"]
    assert output == {"url": "https://clips.test/1.mp4?key=theirs", "expiresAt": None}
