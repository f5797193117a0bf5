"""What belongs to somebody else is not there: on every way that leads to it, byte for byte."""

import json
from collections.abc import AsyncGenerator
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio

from coordinator.webhooks.http_client import Policy
from tests.support import jobs, webhook_calls
from tests.support.client import Client, Json
from tests.support.factories import NO_DELIVERY, NO_JOB, NO_SCENE, NO_TAKE, NO_WEBHOOK, a_job, accepted, report
from tests.support.id_matrix import CALLS, ID, JOB, MATRIX, MORE, SCENE, SCHEMA, TAKE, Row, everything
from tests.support.tokens import ProductionServer, production_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

NOWHERE = {
    "job": NO_JOB,
    "scene": NO_SCENE,
    "take": NO_TAKE,
    "webhook": NO_WEBHOOK,
    "doomed": NO_WEBHOOK,
    "delivery": NO_DELIVERY,
    "owner": "nobody",
}


class Person(NamedTuple):
    """Somebody with a job, its scene, the take of that, and two webhooks, of which one is to be deleted."""

    client: Client
    things: dict[str, str]


class Neighbours(NamedTuple):
    """An owner, and a stranger to what is hers."""

    place: ProductionServer
    owner: Person
    stranger: Person


async def _person(place: ProductionServer, name: str) -> Person:
    client = place.user(name)
    made = await a_job(client, "One", "Two", title=f"The job of {name}")
    scene, gone = made.scenes
    await accepted(client, "deleteScene", "deletedSceneId", sceneId=gone)
    take = (await jobs.job(client, made.id, "scenes { nodes { currentTake { id } } }"))["scenes"]["nodes"][0]
    things = {"job": made.id, "scene": scene, "take": take["currentTake"]["id"], "gone": gone, "owner": name}
    webhook, doomed = [
        await webhook_calls.hook(client, "http://127.0.0.1:9/", "JOB_DELETED", jobId=made.id) for _ in "12"
    ]
    sample = await webhook_calls.mutate(client, "testWebhook", webhook.id, "delivery { id }")
    things |= {"webhook": webhook.id, "doomed": doomed.id, "delivery": sample["delivery"]["id"]}
    return Person(client, things)


# One document asks for all that there is.
EVERYTHING_AT_ONCE: Json = {
    "limit_cost": 10**9,
    "limit_depth": 50,
    "limit_tokens": 10_000,
    "limit_characters": 1_000_000,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lane(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Neighbours]:
    """Two neighbours at a production server."""
    async with production_server(tmp_path_factory.mktemp("ownership"), **EVERYTHING_AT_ONCE) as place:
        # Nobody is to be called by a test; that these addresses are refused in production is tested where they are.
        place.app.container.coordinator.delivery_deps.http.policy = Policy(http=True, loopback=True)
        yield Neighbours(place, await _person(place, "olga"), await _person(place, "sam"))


def asked(row: Row, asker: Person, target: str) -> dict[str, object]:
    """The body of a request about a thing."""
    said = json.dumps({"query": row.document, "variables": row.variables})
    for name, value in (
        (ID, target),
        (JOB, asker.things["job"]),
        (SCENE, asker.things["scene"]),
        (TAKE, asker.things["take"]),
    ):
        said = said.replace(json.dumps(name), json.dumps(value))
    return json.loads(said)


async def answer(row: Row, asker: Person, target: str) -> tuple[int, bytes, dict[str, str]]:
    """All that comes back, with the id itself taken out."""
    body = asked(row, asker, target)
    kind = "text/event-stream" if row.document.startswith("subscription") else "application/json"
    got = await asker.client.http.post("/graphql", json=body, headers={"accept": kind})
    return alike(got, target)


def alike(got: httpx.Response, *ids: str) -> tuple[int, bytes, dict[str, str]]:
    """What two answers must have in common."""
    content = got.content
    for each in ids:
        content = content.replace(each.encode(), b"<id>")
    headers = {name: value for name, value in got.headers.items() if name not in ("date", "x-request-id")}
    if ids and all(len(each) == len(NOWHERE.get(each.partition("_")[0], each)) for each in ids):
        return got.status_code, content, headers
    headers.pop("content-length", None)
    return got.status_code, content, headers


# A dashboard of nobody's jobs waits for them; see below.
ENDLESS = {"Subscription.jobsUpdated(filter.ownerId)"}
ROWS = {name: row for name, row in (MATRIX | MORE).items() if name not in ENDLESS}


@pytest.mark.parametrize("name", ROWS)
async def test_what_is_anothers_is_like_what_is_not_there(lane: Neighbours, name: str) -> None:
    """To the byte; nothing happens to it, and its owner gets another answer."""
    row = ROWS[name]
    target = lane.owner.things[row.kind]
    before = await jobs.job(lane.owner.client, lane.owner.things["job"], "version title")
    theirs = await answer(row, lane.stranger, target)
    assert theirs == await answer(row, lane.stranger, NOWHERE[row.kind])
    assert not any(thing.encode() in theirs[1] for thing in lane.owner.things.values())
    assert await jobs.job(lane.owner.client, lane.owner.things["job"], "version title") == before
    if row.document.startswith("subscription"):
        body = asked(row, lane.owner, target)
        async with lane.owner.client.subscribe(str(body["query"]), id=target) as stream:
            assert await stream.next()
    else:
        assert await answer(row, lane.owner, target) != theirs


async def test_a_dashboard_shows_ones_own(lane: Neighbours) -> None:
    """Whatever owner one asks for."""
    document = "subscription($filter: JobFilter) { jobsUpdated(filter: $filter) { id } }"
    async with lane.stranger.client.subscribe(document, filter={"ownerId": "olga"}) as theirs:
        async with lane.stranger.client.subscribe(document) as mine:
            assert (await mine.next())["jobsUpdated"]["id"] == lane.stranger.things["job"]
            await jobs.retitle(lane.owner.client, lane.owner.things["job"], "Something happens")
            await jobs.retitle(lane.stranger.client, lane.stranger.things["job"], "Here too")
            assert (await mine.next())["jobsUpdated"]["id"] == lane.stranger.things["job"]
        # Whatever was heard of before the answer to this would have been sent before it.
        await theirs.socket.send('{"type": "ping", "payload": {"after": "all"}}')
        assert json.loads(await theirs.socket.recv())["type"] == "pong"


async def test_nothing_that_can_be_had_without_an_id_is_anothers(lane: Neighbours) -> None:
    """All ids that the schema can return, as deep as queries go."""
    document = f"{{ {everything(SCHEMA.query_type)} }}"
    for person, other in ((lane.owner, lane.stranger), (lane.stranger, lane.owner)):
        answer = await person.client.http.post("/graphql", json={"query": document})
        assert "errors" not in answer.json()
        assert all(thing in answer.text for kind, thing in person.things.items() if kind != "doomed")
        assert not any(thing in answer.text for thing in other.things.values())


class TestRest:
    """The same for the calls of REST."""

    @pytest.mark.parametrize("kind", ["job", "scene", "both"])
    async def test_what_is_anothers_is_like_what_is_not_there(self, lane: Neighbours, kind: str) -> None:
        """The job, the scene, or both of them."""
        mine, theirs = lane.stranger.things, lane.owner.things
        for route in CALLS:
            for method in route.methods or ():
                job, scene = (theirs if kind != "scene" else mine)["job"], (theirs if kind != "job" else mine)["scene"]
                no_job, no_scene = (NO_JOB if kind != "scene" else mine["job"]), (NO_SCENE if kind != "job" else scene)
                if "{scene_id}" not in route.path and kind == "scene":
                    continue
                body = {"title": "Mine"} if method == "PUT" else None
                answers = [
                    alike(
                        await lane.stranger.client.http.request(
                            method, route.path.format(job_id=a_job_id, scene_id=a_scene_id), json=body
                        )
                    )
                    for a_job_id, a_scene_id in ((job, scene), (no_job, no_scene))
                ]
                assert answers[0] == answers[1], (method, route.path)
                assert answers[0][0] == 404
                owned = await lane.owner.client.http.request(
                    method, route.path.format(job_id=theirs["job"], scene_id=theirs["scene"]), json={}
                )
                assert owned.status_code in (200, 422)


class TestWorkers:
    """A worker sees what is rendered by somebody else's workers, and only reports on it."""

    async def test_it_sees_external_jobs_alone(self, lane: Neighbours) -> None:
        """Of any owner; as long as they are not deleted, which is for their owner to see."""
        worker = lane.place.user("wim", "worker")
        made = await a_job(lane.owner.client, "Report on me")
        other = await a_job(lane.owner.client, "Ours to render", provider="local")
        seen = (await worker.execute("{ jobs(includeDeleted: true) { nodes { id } totalCount } }"))["jobs"]
        assert made.id in {node["id"] for node in seen["nodes"]}
        assert other.id not in str(seen)
        assert (await worker.execute(f'{{ job(id: "{other.id}") {{ id }} }}'))["job"] is None
        scene = (await worker.execute(f'{{ scene(id: "{made.scenes[0]}") {{ prompt availableActions }} }}'))["scene"]
        assert scene == {"prompt": "Report on me", "availableActions": ["UPDATE"]}

    async def test_it_claims_and_reports(self, lane: Neighbours) -> None:
        """From the first word to the clip; by GraphQL and by REST."""
        worker = lane.place.user("wim", "worker")
        made = await a_job(lane.owner.client, "One", "Two")
        await report(worker, made.scenes[0], "PROCESSING", providerId="mine", percentage=10.0)
        await report(worker, made.scenes[0], "COMPLETED", outputUrl="https://clips.test/1.mp4")
        told = await worker.http.put(
            f"/api/v3/jobs/{made.id}/scenes/{made.scenes[1]}", json={"status": "failed", "provider_id": "x"}
        )
        assert told.status_code == 200
        log = await jobs.log(lane.owner.client, made.id, "type actorId")
        assert {event["actorId"] for event in log if event["type"].startswith("SCENE_")} == {"wim"}

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
        ids=str,
    )
    async def test_it_may_do_nothing_else(self, lane: Neighbours, name: str, fields: dict[str, object]) -> None:
        """It is told so, for it sees the thing."""
        worker = lane.place.user("wim", "worker")
        made = await a_job(lane.owner.client, "One")
        ids = {SCENE: made.scenes[0], JOB: made.id}
        given = {key: ids.get(str(value), value) for key, value in fields.items()}
        payload = await worker.mutate(name, "errors { __typename code path }", **given)
        (error,) = payload["errors"]
        assert (error["__typename"], error["code"]) == ("ForbiddenError", "FORBIDDEN")
        assert error["path"][0] == "input"
        assert (await jobs.job(lane.owner.client, made.id, "version"))["version"] == made.version

    async def test_rest_says_403(self, lane: Neighbours) -> None:
        """In its own shape."""
        worker = lane.place.user("wim", "worker")
        made = await a_job(lane.owner.client, "One")
        refused = await worker.http.delete(f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")

    async def test_its_own_jobs_are_its_own(self, lane: Neighbours) -> None:
        """A worker is somebody, too."""
        worker = lane.place.user("wim", "worker")
        made = await a_job(worker, "Mine")
        await jobs.retitle(worker, made.id, "Mine")
        assert (await lane.stranger.client.execute(f'{{ job(id: "{made.id}") {{ id }} }}'))["job"] is None

    async def test_its_dashboard_hears_of_what_it_may_report_on(self, lane: Neighbours) -> None:
        """And of nothing else."""
        worker = lane.place.user("wanda", "worker")
        theirs = await a_job(lane.owner.client, "One", title="Whose dashboard?")
        document = 'subscription { jobsUpdated(filter: {search: "Whose dashboard"}) { id title } }'
        async with worker.subscribe(document) as stream:
            assert (await stream.next())["jobsUpdated"]["id"] == theirs.id
            await a_job(lane.owner.client, "One", title="Whose dashboard? Nobody else's", provider="local")
            await jobs.retitle(lane.owner.client, theirs.id, "Whose dashboard is it")
            assert (await stream.next())["jobsUpdated"] == {"id": theirs.id, "title": "Whose dashboard is it"}


async def test_an_administrator_sees_and_changes_everything(lane: Neighbours) -> None:
    """Of everybody."""
    admin = lane.place.user("ada", "admin")
    seen = (await admin.execute("{ jobs(first: 100) { nodes { id } } }"))["jobs"]["nodes"]
    assert {lane.owner.things["job"], lane.stranger.things["job"]} <= {node["id"] for node in seen}
    await jobs.retitle(admin, lane.stranger.things["job"], "By the administrator")
    found = (await admin.execute('{ jobs(filter: {ownerId: "sam"}) { nodes { ownerId } } }'))["jobs"]["nodes"]
    assert found == [{"ownerId": "sam"}]


async def test_a_key_of_idempotency_is_ones_own(lane: Neighbours) -> None:
    """The same key of another owner is another key."""
    made = [await a_job(person.client, "One", idempotencyKey="ours") for person in (lane.owner, lane.stranger)]
    assert made[0].id != made[1].id
