"""Objects of another owner look like missing ones: the responses of all requests are equal byte for byte."""

import json
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from coordinator.webhooks.http_client import Policy
from tests.support import jobs
from tests.support.factories import NO_JOB, NO_SCENE, a_job, report
from tests.support.id_matrix import CALLS, JOB, SCENE, SCHEMA, everything
from tests.support.tenants import MISSING, RAISED_LIMITS, ROWS, Tenants, a_person, answer, comparable, request_body
from tests.support.tokens import production_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tenants(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Tenants]:
    """Two users of a production server."""
    async with production_server(tmp_path_factory.mktemp("ownership"), **RAISED_LIMITS) as server:
        # The webhooks point at the loopback address, which production refuses; test_webhook_http_client tests that.
        server.app.container.coordinator.delivery_deps.http.policy = Policy(http=True, loopback=True)
        yield Tenants(server, await a_person(server, "olga"), await a_person(server, "sam"))


@pytest.mark.parametrize("name", ROWS)
async def test_object_of_another_owner_looks_like_a_missing_one(tenants: Tenants, name: str) -> None:
    """Byte for byte. The object is unchanged, and its owner gets another response."""
    row = ROWS[name]
    target = tenants.owner.ids[row.kind]
    before = await jobs.job(tenants.owner.client, tenants.owner.ids["job"], "version title")
    theirs = await answer(row, tenants.stranger, target)
    assert theirs == await answer(row, tenants.stranger, MISSING[row.kind])
    assert not any(each_id.encode() in theirs[1] for each_id in tenants.owner.ids.values())
    assert await jobs.job(tenants.owner.client, tenants.owner.ids["job"], "version title") == before
    if row.document.startswith("subscription"):
        body = request_body(row, tenants.owner, target)
        async with tenants.owner.client.subscribe(str(body["query"]), id=target) as stream:
            assert await stream.next()
    else:
        assert await answer(row, tenants.owner, target) != theirs


async def test_dashboard_shows_only_jobs_of_its_owner(tenants: Tenants) -> None:
    """Whatever owner its filter names."""
    document = "subscription($filter: JobFilter) { jobsUpdated(filter: $filter) { id } }"
    async with tenants.stranger.client.subscribe(document, filter={"ownerId": "olga"}) as theirs:
        async with tenants.stranger.client.subscribe(document) as mine:
            assert (await mine.next())["jobsUpdated"]["id"] == tenants.stranger.ids["job"]
            await jobs.retitle(tenants.owner.client, tenants.owner.ids["job"], "Something happens")
            await jobs.retitle(tenants.stranger.client, tenants.stranger.ids["job"], "Here too")
            assert (await mine.next())["jobsUpdated"]["id"] == tenants.stranger.ids["job"]
        # The socket sends in order: an update of the other job would arrive before the pong.
        await theirs.socket.send('{"type": "ping", "payload": {"after": "all"}}')
        assert json.loads(await theirs.socket.recv())["type"] == "pong"


async def test_queries_without_an_id_return_only_objects_of_the_caller(tenants: Tenants) -> None:
    """All ids that the schema can return, as deep as queries go."""
    document = f"{{ {everything(SCHEMA.query_type)} }}"
    for person, other in ((tenants.owner, tenants.stranger), (tenants.stranger, tenants.owner)):
        answer = await person.client.http.post("/graphql", json={"query": document})
        assert "errors" not in answer.json()
        assert all(each_id in answer.text for kind, each_id in person.ids.items() if kind != "doomed")
        assert not any(each_id in answer.text for each_id in other.ids.values())


class TestRestOwnership:
    """The same for REST calls."""

    @pytest.mark.parametrize("kind", ["job", "scene", "both"])
    async def test_rest_call_about_another_owner_is_not_found(self, tenants: Tenants, kind: str) -> None:
        """For the job, the scene, or both."""
        mine, theirs = tenants.stranger.ids, tenants.owner.ids
        for route in CALLS:
            for method in route.methods or ():
                job, scene = (theirs if kind != "scene" else mine)["job"], (theirs if kind != "job" else mine)["scene"]
                no_job, no_scene = (NO_JOB if kind != "scene" else mine["job"]), (NO_SCENE if kind != "job" else scene)
                if "{scene_id}" not in route.path and kind == "scene":
                    continue
                body = {"title": "Mine"} if method == "PUT" else None
                answers = [
                    comparable(
                        await tenants.stranger.client.http.request(
                            method, route.path.format(job_id=a_job_id, scene_id=a_scene_id), json=body
                        )
                    )
                    for a_job_id, a_scene_id in ((job, scene), (no_job, no_scene))
                ]
                assert answers[0] == answers[1], (method, route.path)
                assert answers[0][0] == 404
                if kind != "job":
                    # The owner's scene is gone after its DELETE.
                    continue
                owned = await tenants.owner.client.http.request(
                    method, route.path.format(job_id=theirs["job"], scene_id=theirs["scene"]), json={}
                )
                assert owned.status_code in (200, 422)


class TestWorkers:
    """A worker sees jobs for external workers, and may only report on them."""

    async def test_worker_sees_only_external_jobs(self, tenants: Tenants) -> None:
        """Of any owner."""
        worker = tenants.server.user("wim", "worker")
        made = await a_job(tenants.owner.client, "Report on me")
        other = await a_job(tenants.owner.client, "Ours to render", provider="local")
        seen = (await worker.execute("{ jobs(includeDeleted: true) { nodes { id } totalCount } }"))["jobs"]
        assert made.id in {node["id"] for node in seen["nodes"]}
        assert other.id not in str(seen)
        assert (await worker.execute(f'{{ job(id: "{other.id}") {{ id }} }}'))["job"] is None
        scene = (await worker.execute(f'{{ scene(id: "{made.scenes[0]}") {{ prompt availableActions }} }}'))["scene"]
        assert scene == {"prompt": "Report on me", "availableActions": ["UPDATE"]}

    async def test_worker_reports_over_graphql_and_rest(self, tenants: Tenants) -> None:
        """From the start to the clip."""
        worker = tenants.server.user("wim", "worker")
        made = await a_job(tenants.owner.client, "One", "Two")
        await report(worker, made.scenes[0], "PROCESSING", providerId="mine", percentage=10.0)
        await report(worker, made.scenes[0], "COMPLETED", outputUrl="https://clips.test/1.mp4")
        reported = await worker.http.put(
            f"/api/v3/jobs/{made.id}/scenes/{made.scenes[1]}", json={"status": "failed", "provider_id": "x"}
        )
        assert reported.status_code == 200
        log = await jobs.log(tenants.owner.client, made.id, "type actorId")
        assert {event["actorId"] for event in log if event["type"].startswith("SCENE_")} == {"wim"}

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("updateScene", {"sceneId": SCENE, "title": "Mine"}),
            ("updateScene", {"sceneId": SCENE, "status": "PROCESSING", "prompt": "Mine"}),
            ("updateScene", {"sceneId": SCENE, "metadata": {}}),
            ("updateScene", {"sceneId": SCENE, "durationSeconds": 7.0}),
            ("regenerateScene", {"sceneId": SCENE}),
            ("cancelScene", {"sceneId": SCENE}),
            ("deleteScene", {"sceneId": SCENE}),
            ("moveScene", {"sceneId": SCENE, "position": 0}),
            ("addScene", {"jobId": JOB, "scene": {"prompt": "Mine"}}),
            ("updateJob", {"jobId": JOB, "title": "Mine"}),
            ("startJob", {"jobId": JOB}),
            ("cancelJob", {"jobId": JOB}),
        ],
    )
    async def test_worker_is_forbidden_every_other_mutation(
        self, tenants: Tenants, name: str, fields: dict[str, object]
    ) -> None:
        """FORBIDDEN rather than NOT_FOUND, because the worker sees the job."""
        worker = tenants.server.user("wim", "worker")
        made = await a_job(tenants.owner.client, "One")
        ids = {SCENE: made.scenes[0], JOB: made.id}
        given = {key: ids.get(str(value), value) for key, value in fields.items()}
        payload = await worker.mutate(name, "errors { __typename code path }", **given)
        (error,) = payload["errors"]
        assert (error["__typename"], error["code"]) == ("ForbiddenError", "FORBIDDEN")
        assert error["path"][0] == "input"
        assert (await jobs.job(tenants.owner.client, made.id, "version"))["version"] == made.version

    @pytest.mark.sqlite_alone
    async def test_worker_gets_403_over_rest(self, tenants: Tenants) -> None:
        """In the error format of REST."""
        worker = tenants.server.user("wim", "worker")
        made = await a_job(tenants.owner.client, "One")
        refused = await worker.http.delete(f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")

    async def test_worker_owns_the_jobs_that_it_creates(self, tenants: Tenants) -> None:
        """Like any user."""
        worker = tenants.server.user("wim", "worker")
        made = await a_job(worker, "Mine")
        await jobs.retitle(worker, made.id, "Mine")
        assert (await tenants.stranger.client.execute(f'{{ job(id: "{made.id}") {{ id }} }}'))["job"] is None

    async def test_dashboard_of_a_worker_shows_only_external_jobs(self, tenants: Tenants) -> None:
        """Of any owner."""
        worker = tenants.server.user("wanda", "worker")
        theirs = await a_job(tenants.owner.client, "One", title="Whose dashboard?")
        document = 'subscription { jobsUpdated(filter: {search: "Whose dashboard"}) { id title } }'
        async with worker.subscribe(document) as stream:
            assert (await stream.next())["jobsUpdated"]["id"] == theirs.id
            await a_job(tenants.owner.client, "One", title="Whose dashboard? Rendered here", provider="local")
            await jobs.retitle(tenants.owner.client, theirs.id, "Whose dashboard is it")
            assert (await stream.next())["jobsUpdated"] == {"id": theirs.id, "title": "Whose dashboard is it"}


async def test_administrator_sees_and_changes_jobs_of_every_owner(tenants: Tenants) -> None:
    """Read, filter and update."""
    admin = tenants.server.user("ada", "admin")
    seen = (await admin.execute("{ jobs(first: 100) { nodes { id } } }"))["jobs"]["nodes"]
    assert {tenants.owner.ids["job"], tenants.stranger.ids["job"]} <= {node["id"] for node in seen}
    await jobs.retitle(admin, tenants.stranger.ids["job"], "By the administrator")
    found = (await admin.execute('{ jobs(filter: {ownerId: "sam"}) { nodes { ownerId } } }'))["jobs"]["nodes"]
    assert found == [{"ownerId": "sam"}]


async def test_idempotency_key_belongs_to_its_owner(tenants: Tenants) -> None:
    """The same key of another owner is another key."""
    made = [await a_job(person.client, "One", idempotencyKey="ours") for person in (tenants.owner, tenants.stranger)]
    assert made[0].id != made[1].id
