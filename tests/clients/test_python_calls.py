"""The typed calls of the Python client, against a server."""

import asyncio
import socket
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from scenewire import (
    Client,
    Conflict,
    JobStatus,
    NoServer,
    NotFound,
    RateLimited,
    Refused,
    ServerError,
    TokenRefused,
    Unavailable,
)
from tests.support import jobs
from tests.support.server_app import App, running

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNKNOWN = "job_01h455vb4pex5vsknk084sn02q"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server that permits ten regenerates at once, and renders nothing."""
    async with running(tmp_path_factory.mktemp("calls"), regenerates_an_hour=1, renders=False) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="module")
async def client(app: App) -> AsyncGenerator[Client]:
    async with Client(app.url) as client:
        yield client


async def answering(status: int, body: str, content_type: str = "text/html") -> tuple[asyncio.Server, str]:
    """Return a server that gives every request this answer, and its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (
            f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\nconnection: close"
        )
        writer.write(f"{head}\r\nretry-after: 7\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def use_up_regenerates(client: Client) -> None:
    """Regenerate as many scenes as the server permits at once."""
    job = await client.create_job(title="Many", scenes=[{"prompt": f"Scene {n}"} for n in range(10)], start=True)
    await client.cancel_job(job.id)
    regenerated = await client.regenerate_scenes(job.id, status=["CANCELED"], policy="BEST_EFFORT")
    assert {error.code for error in regenerated.errors} <= {"RATE_LIMITED"}


class TestJobs:
    """Calls about jobs."""

    async def test_job_is_created_changed_deleted_and_restored(self, client: Client) -> None:
        """Each call returns the job as it is afterwards; a field left out keeps its value."""
        made = await client.create_job(
            title="Coast",
            scenes=[{"prompt": "One", "duration_seconds": 2.5}, {"prompt": "Two"}],
            metadata={"my_key": 1},
        )
        assert (made.status, made.title, made.metadata, made.version) == (JobStatus.PENDING, "Coast", {"my_key": 1}, 1)
        assert [(scene.prompt, scene.position) for scene in made.scenes] == [("One", 0), ("Two", 1)]
        assert made.scenes[0].duration_seconds == 2.5
        assert made.created_at.utcoffset() is not None
        changed = await client.update_job(made.id, title="Shore")
        assert (changed.title, changed.metadata) == ("Shore", {"my_key": 1})
        one, two = (scene.id for scene in made.scenes)
        reordered = await client.reorder_scenes(made.id, [two, one], expected_version=changed.version)
        assert [scene.id for scene in reordered.scenes] == [two, one]
        assert await client.job(made.id) == reordered
        deleted = await client.delete_job(made.id)
        assert deleted.deleted_at is not None
        assert (await client.restore_job(made.id)).deleted_at is None
        started = await client.start_job(made.id)
        assert (started.status, started.progress.pending) == ("PROCESSING", 2)
        assert (await client.cancel_job(made.id)).status == JobStatus.CANCELED

    async def test_repeated_idempotency_key_returns_the_created_job(self, client: Client) -> None:
        """So a call whose answer was lost can be repeated."""
        first = await client.create_job(title="Once", idempotency_key="the key of Once")
        assert await client.create_job(title="Once", idempotency_key="the key of Once") == first
        with pytest.raises(Conflict) as conflict:
            await client.create_job(title="Twice", idempotency_key="the key of Once")
        assert conflict.value.code == "IDEMPOTENCY_CONFLICT"

    async def test_pages_of_jobs_are_read_to_the_end(self, client: Client) -> None:
        """By page and by iteration, filtered and ordered."""
        ids = [(await client.create_job(title=f"Page {number}")).id for number in range(5)]
        page = await client.jobs(
            first=3, filter={"search": "pAgE ", "status": ["PENDING"]}, order_by={"field": "TITLE", "direction": "ASC"}
        )
        assert [job.id for job in page.items] == ids[:3]
        assert (page.total_count, page.has_next_page) == (5, True)
        rest = await client.jobs(
            first=3, after=page.end_cursor, filter={"search": "page "}, order_by={"field": "TITLE", "direction": "ASC"}
        )
        assert ([job.id for job in rest.items], rest.has_next_page) == (ids[3:], False)
        assert [job.id async for job in client.all_jobs({"search": "page "})] == ids[::-1]

    async def test_viewer_and_server_are_described(self, client: Client) -> None:
        """The principal of the token, and what the server offers."""
        assert (await client.viewer()).regenerate_quota.limit >= 10
        info = await client.server_info()
        assert info.mode == "embedded"
        assert "scripted" in info.providers


class TestScenes:
    """Calls about scenes."""

    async def test_scene_is_rendered_by_reports_and_gets_another_take(self, client: Client) -> None:
        """An external worker's reports, a regenerate, the choice of the earlier take."""
        job = await client.create_job(title="External", provider="external", scenes=[{"prompt": "One"}], start=True)
        (scene,) = job.scenes
        busy = await client.update_scene(scene.id, status="PROCESSING", percentage=40, provider_id="p-1")
        assert (busy.percentage, busy.provider_id) == (40.0, "p-1")
        failed = await client.update_scene(
            scene.id, status="FAILED", failure={"code": "BAD", "message": "It broke.", "retryable": False}
        )
        assert failed.failure is not None
        assert (failed.failure.code, failed.failure.message) == ("BAD", "It broke.")
        again = await client.regenerate_scene(scene.id, prompt="Two", settings={"seed": 7})
        assert (again.status, again.prompt, again.settings.seed) == ("PENDING", "Two", 7)
        done = await client.update_scene(
            scene.id, status="COMPLETED", output_url="https://example.com/a.mp4", adopt_output=False
        )
        assert [take.number for take in done.takes] == [2, 1]
        assert done.output is not None
        assert await client.select_take(done.takes[0].id) == await client.scene(scene.id)
        await use_up_regenerates(client)
        with pytest.raises(RateLimited) as limited:
            await client.regenerate_scene(scene.id)
        assert limited.value.retry_after_seconds > 1

    async def test_scene_is_added_moved_deleted_and_restored(self, client: Client) -> None:
        """None clears a field that can be null."""
        job = await client.create_job(title="Scenes", scenes=[{"prompt": "One", "title": "First"}])
        added = await client.add_scene(job.id, {"prompt": "Zero"}, position=0)
        assert added.position == 0
        assert (await client.move_scene(added.id, 1)).position == 1
        assert (await client.update_scene(job.scenes[0].id, title=None)).title is None
        deleted = await client.delete_scene(added.id)
        assert (deleted.deleted_scene_id, len(deleted.job.scenes)) == (added.id, 1)
        assert (await client.restore_scene(added.id)).position == 1
        await client.start_job(job.id)
        assert (await client.cancel_scene(added.id)).status == "CANCELED"

    async def test_batch_reports_each_scene(self, client: Client) -> None:
        """Its errors do not raise, those of the request do."""
        job = await client.create_job(title="Batch", scenes=[{"prompt": "One"}, {"prompt": "Two"}])
        one, two = (scene.id for scene in job.scenes)
        edited = await client.update_scenes(
            job.id, [{"scene_id": one, "prompt": "New"}, {"scene_id": two, "prompt": ""}], policy="BEST_EFFORT"
        )
        first, second = edited.results
        assert first.scene is not None
        assert (first.scene.prompt, first.error) == ("New", None)
        assert second.error is not None
        assert (second.error.code, second.scene) == ("VALIDATION_FAILED", None)
        assert edited.errors == (second.error,)
        deleted = await client.delete_scenes(job.id, scene_ids=[one, two], dry_run=True)
        assert (deleted.dry_run, len(deleted.results)) == (True, 2)
        assert (await client.delete_scenes(job.id, scene_ids=[two])).errors == ()
        assert [result.scene_id for result in (await client.restore_scenes(job.id, status=["PENDING"])).results] == [
            two
        ]
        await client.start_job(job.id)
        assert len((await client.cancel_scenes(job.id, status=["PENDING"])).results) == 2
        with pytest.raises(Refused):
            await client.regenerate_scenes(job.id)


class TestErrors:
    """Each kind of failure has its exception."""

    async def test_refused_input_names_its_path(self, client: Client) -> None:
        """With the code and the sentence of the server."""
        with pytest.raises(Refused) as refused:
            await client.create_job(title="x", scenes=[{"prompt": ""}])
        error = refused.value
        assert (error.code, error.path) == ("VALIDATION_FAILED", ("input", "scenes", "0", "prompt"))
        assert str(error) == error.message != ""

    async def test_unknown_objects_are_not_found(self, client: Client) -> None:
        """By queries and by mutations."""
        for call in (client.job(UNKNOWN), client.scene(UNKNOWN), client.start_job(UNKNOWN)):
            with pytest.raises(NotFound) as missing:
                await call
            assert missing.value.code == "NOT_FOUND"

    async def test_conflict_names_the_current_version(self, app: App, client: Client) -> None:
        """So that the caller can read the object again."""
        made = await jobs.make(app)
        version = await jobs.retitle(app, made.id, "Other")
        with pytest.raises(Conflict) as conflict:
            await client.update_job(made.id, title="Mine", expected_version=made.version)
        assert (conflict.value.code, conflict.value.current_version) == ("STALE_VERSION", version)

    async def test_invalid_document_is_refused(self, client: Client) -> None:
        """The message is that of the server."""
        assert (await client.execute("query($id: ID!) { job(id: $id) { id } }", {"id": UNKNOWN})) == {"job": None}
        with pytest.raises(Refused, match="nothing") as refused:
            await client.execute("{ nothing }")
        assert refused.value.code == "GRAPHQL_VALIDATION_FAILED"

    async def test_without_a_server_the_reason_is_that_of_the_system(self) -> None:
        """It is certain that nothing was done."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with Client(f"http://127.0.0.1:{unused.getsockname()[1]}") as client:
                with pytest.raises(NoServer, match="Connect call failed"):
                    await client.viewer()

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (503, "<h1>Bad</h1>", Unavailable),
            (200, "<h1>Hello</h1>", Refused),
            (200, "[]", Refused),
            (429, "slow down", RateLimited),
            (401, "who", TokenRefused),
            (
                500,
                '{"errors": [{"message": "Internal error", "extensions": {"code": "INTERNAL", "id": "e1"}}]}',
                ServerError,
            ),
            (200, '{"errors": [{"message": "Later.", "extensions": {"code": "UNAVAILABLE"}}]}', Unavailable),
        ],
    )
    async def test_other_answers_have_their_exception(self, status: int, body: str, kind: type[Exception]) -> None:
        """Those of proxies, and errors of the server."""
        server, url = await answering(status, body, "application/json" if body[0] in "[{" else "text/html")
        async with server, Client(url) as client:
            with pytest.raises(kind) as caught:
                await client.viewer()
        assert type(caught.value) is kind
        if isinstance(caught.value, RateLimited):
            assert caught.value.retry_after_seconds == 7
        if isinstance(caught.value, ServerError):
            assert caught.value.error_id == "e1"

    @pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", "http://"])
    async def test_text_that_is_no_url_is_refused(self, url: str) -> None:
        """Before any request."""
        with pytest.raises(ValueError, match="is not the URL of a server"):
            Client(url)
