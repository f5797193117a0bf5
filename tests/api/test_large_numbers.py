"""Numbers of files and providers beyond the range of Int or of any scalar."""

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from models.db.tables import JOB, TAKE
from providers.port import Order, Progress, Rendered
from tests.support import jobs
from tests.support.client import Json
from tests.support.clip_provider import ClipProvider, clip
from tests.support.factories import a_job, report
from tests.support.rest_calls import data, place
from tests.support.server_app import App, running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

GIGABYTES = 3_221_225_472
FILE = "sizeBytes width height durationSeconds"
DOCUMENT = f"query($id: ID!) {{ scene(id: $id) {{ output {{ {FILE} }} job {{ output {{ {FILE} }} }} }} }}"


async def completed_with(app: App, **described: object) -> jobs.Made:
    """Return a completed job whose files are stored with this description."""
    made = await a_job(app, "A long one")
    await report(app, made.scenes[0], "PROCESSING", "COMPLETED", outputUrl="https://clips.example/1.mp4")
    file = {"url": "https://clips.example/1.mp4", "content_type": "video/mp4", **described}
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(TAKE).where(TAKE.c.job_id == made.id).values(output=file))
        await connection.execute(sa.update(JOB).where(JOB.c.id == made.id).values(output=file))
    return made


@pytest.mark.parametrize("size", [2**31, GIGABYTES, 2**53 - 1])
async def test_size_of_a_large_file_is_exact(shared: App, size: int) -> None:
    """The sizes of a clip and of the joined video."""
    made = await completed_with(shared, size_bytes=size, width=3840, height=2160, duration_seconds=60.0)
    file: Json = {"sizeBytes": size, "width": 3840, "height": 2160, "durationSeconds": 60.0}
    scene = (await shared.execute(DOCUMENT, id=made.scenes[0]))["scene"]
    assert scene == {"output": file, "job": {"output": file}}
    assert (await data(shared, "GET", *place(made)))["video_url"] == "https://clips.example/1.mp4"


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("number", [2**53, 10**30, -(2**53), 0.5, "many", True])
async def test_number_beyond_its_scalar_is_null(shared: App, number: object) -> None:
    """An error would make clients retry without end."""
    made = await completed_with(shared, size_bytes=number, width=number, height=2**31)
    scene = (await shared.execute(DOCUMENT, id=made.scenes[0]))["scene"]
    assert scene["output"] == {"sizeBytes": None, "width": None, "height": None, "durationSeconds": None}


async def test_event_stream_shows_a_large_file(shared: App) -> None:
    """The stream starts with a snapshot that contains the size."""
    made = await completed_with(shared, size_bytes=GIGABYTES)
    document = """subscription($id: ID!) { value: jobEvents(jobId: $id) {
        ... on JobSnapshot { job { output { sizeBytes } scenes { nodes { output { sizeBytes } } } } }
    } }"""
    async with shared.subscribe(document, id=made.id) as stream:
        job = (await stream.next())["value"]["job"]
    assert job == {"output": {"sizeBytes": GIGABYTES}, "scenes": {"nodes": [{"output": {"sizeBytes": GIGABYTES}}]}}


class OddProvider(ClipProvider):
    """A provider that reports impossible sizes and an impossible duration."""

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Write a clip and report a wrong description of it."""
        async with aclosing(super().follow(order, provider_id)) as steps:
            async for step in steps:
                assert isinstance(step, Rendered)
                yield Rendered(replace(step.clip, width=2**40, height=-(2**40), duration_seconds=math.nan))


async def test_clip_with_an_impossible_description_is_described_by_its_bytes(tmp_path: Path) -> None:
    """A defect of a plugin does not make the scene unreadable."""
    async with running(tmp_path, {"scripted": OddProvider()}) as app:
        made = await jobs.make(app, clip(), start=True)
        assert await jobs.settled(app, made.id) == "COMPLETED"
        output = (await app.execute(DOCUMENT, id=made.scenes[0]))["scene"]["output"]
    assert output.pop("sizeBytes") > 0
    assert output == {"width": 320, "height": 180, "durationSeconds": 0.5}
