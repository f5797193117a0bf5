"""The holder of an access token reaches the jobs that it names, as its grants permit, and nothing else."""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.webhooks.http_client import Policy
from models.db.tables import JOB, SCENE_INPUT
from tests.support import jobs
from tests.support.access_tokens import EDITS, WORK, holder
from tests.support.client import Client, Json
from tests.support.every_mutation import MUTATIONS, WORKER, mutations
from tests.support.factories import a_job
from tests.support.id_matrix import CALLS, MATRIX, SCHEMA, everything
from tests.support.multiplexed import multiplexed
from tests.support.tenants import MISSING, RAISED_LIMITS, ROWS, Person, a_person, answer, comparable, request_body
from tests.support.tokens import ProductionServer, production_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


class World(NamedTuple):
    """A production server, and two sets of objects of one owner."""

    server: ProductionServer
    owner: Client
    one: Person
    other: Person


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Tokens are made for the jobs of either set."""
    async with production_server(tmp_path_factory.mktemp("scopes"), **RAISED_LIMITS) as server:
        server.app.container.coordinator.delivery_deps.http.policy = Policy(http=True, loopback=True)
        one, other = await a_person(server, "olga"), await a_person(server, "olga")
        yield World(server, one.client, one, other)


async def with_token(world: World, person: Person, *grants: str) -> Person:
    """Return the holder of a token for the job of a set of objects."""
    return Person(await holder(world.server, world.owner, person.ids["job"], grants=grants), person.ids)


@pytest.mark.parametrize("grant", ["READ", "EDIT"])
async def test_objects_outside_the_token_look_like_missing_ones(world: World, grant: str) -> None:
    """Byte for byte, for every place that takes an id; the objects do not change."""
    caller = await with_token(world, world.other, grant)
    before = await jobs.job(world.owner, world.one.ids["job"], "version title")
    unlike: list[str] = []
    for name, row in ROWS.items():
        # Its owner is that of the job in the token as well.
        if row.kind != "owner":
            theirs = await answer(row, caller, world.one.ids[row.kind])
            if theirs != await answer(row, caller, MISSING[row.kind]):
                unlike.append(name)
    assert unlike == []
    assert await jobs.job(world.owner, world.one.ids["job"], "version title") == before


async def test_token_reads_its_job_as_the_owner_does(world: World) -> None:
    """Queries, streams and REST."""
    caller, owner = await with_token(world, world.one, "READ"), Person(world.owner, world.one.ids)
    compared = [
        row
        for name, row in ROWS.items()
        if row.kind in ("job", "scene", "take")
        and name.startswith(("Query.job(", "Query.scene(", "Query.node", "node"))
    ]
    assert len(compared) == 6
    for row in compared:
        target = world.one.ids[row.kind]
        assert await answer(row, caller, target) == await answer(row, owner, target), row.document
    for name in ("jobEvents(jobId)", "jobProgress(jobId)", "sceneUpdated(sceneId)"):
        row = MATRIX[f"Subscription.{name}"]
        body = request_body(row, caller, world.one.ids[row.kind])
        async with caller.client.subscribe(str(body["query"]), id=world.one.ids[row.kind]) as stream:
            assert await stream.next()
    path = f"/api/v3/jobs/{world.one.ids['job']}/scenes"
    assert (await caller.client.http.get(path)).json() == (await world.owner.http.get(path)).json()


async def test_queries_without_an_id_return_the_jobs_of_the_token_only(world: World) -> None:
    """All ids that the schema can return, as deep as queries go: no webhooks, workers, tokens or other assets."""
    caller = await with_token(world, world.one, "EDIT")
    document = f"{{ {everything(SCHEMA.query_type)} }}"
    found = await caller.client.http.post("/graphql", json={"query": document})
    assert "errors" not in found.json()
    seen = {"job", "scene", "take", "deleted", "done", "owner"}
    for kind, each_id in world.one.ids.items():
        assert (each_id in found.text) == (kind in seen), kind
    assert not any(each_id in found.text for kind, each_id in world.other.ids.items() if kind != "owner")
    counts = await caller.client.execute(
        """{ jobs { totalCount } assets { totalCount }
        found: jobs(filter: {search: "olga"}) { totalCount nodes { id } } }"""
    )
    assert counts["jobs"]["totalCount"] == counts["found"]["totalCount"] == len(counts["found"]["nodes"]) == 1
    assert counts["assets"]["totalCount"] == 0


async def codes(world: World, person: Person, client: Client) -> dict[str, str | None]:
    """Run each mutation on the objects of a set. Return the code of its first error."""
    found: dict[str, str | None] = {}
    for name, row in mutations().items():
        body = request_body(row, person, person.ids[row.kind])
        result = (await client.http.post("/graphql", json=body)).json()
        assert "errors" not in result, (name, result)
        errors = result["data"][name]["errors"]
        found[name] = errors[0]["code"] if errors else None
        if found[name] == "FORBIDDEN":
            assert errors[0]["__typename"] == "ForbiddenError"
            assert errors[0]["path"] == ["input"]
    return found


async def test_mutations_need_their_grant(world: World) -> None:
    """Each mutation of the schema is tried; those that no grant permits are refused with every token."""
    person = await a_person(world.server, "olga")
    all_mutations = set(MUTATIONS)
    assert set(mutations()) == all_mutations
    before = await jobs.job(world.owner, person.ids["job"], "version")
    for grants, permitted in ((["READ"], frozenset[str]()), (["WORK"], WORK)):
        named = [person.ids["job"]] if grants == ["READ"] else []
        client = await holder(world.server, world.owner, *named, grants=tuple(grants))
        found = await codes(world, person, client)
        assert {name for name, code in found.items() if code == "FORBIDDEN"} == all_mutations - permitted
    assert await jobs.job(world.owner, person.ids["job"], "version") == before
    found = await codes(world, person, await holder(world.server, world.owner, person.ids["job"], grants=("EDIT",)))
    assert {name for name, code in found.items() if code == "FORBIDDEN"} == all_mutations - EDITS
    assert not any(found[name] == "NOT_FOUND" for name in EDITS)


async def test_rest_calls_need_their_grant(world: World) -> None:
    """403 without it, 404 for another job."""
    made, another = await a_job(world.owner, "One"), await a_job(world.owner, "One")
    reader = await holder(world.server, world.owner, made.id)
    editor = await holder(world.server, world.owner, made.id, grants=("EDIT",))
    for client, expected in ((reader, 403), (editor, 200)):
        path = f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}"
        assert (await client.http.put(path, json={"title": "Mine"})).status_code == expected
        assert (await client.http.get(path)).status_code == 200
        claimed = await client.http.post("/api/v3/leases/claim", json={"worker": WORKER, "wait_seconds": 0})
        assert (claimed.status_code, claimed.json()["error"]["code"]) == (403, "FORBIDDEN")
        for route in CALLS:
            for method in route.methods or ():
                foreign, missing = [
                    comparable(
                        await client.http.request(method, route.path.format(job_id=job_id, scene_id=scene_id), json={}),
                        job_id,
                        scene_id,
                    )
                    for job_id, scene_id in ((another.id, another.scenes[0]), (MISSING["job"], MISSING["scene"]))
                ]
                assert foreign == missing
                assert foreign[0] in ((403, 404) if client is reader and method != "GET" else (404,))


async def test_dashboard_of_a_token_shows_its_jobs_only(world: World) -> None:
    """Whatever its filter names."""
    made, another = await a_job(world.owner, "One"), await a_job(world.owner, "One")
    reader = await holder(world.server, world.owner, made.id)
    document = 'subscription { jobsUpdated(filter: {ownerId: "olga"}) { id title } }'
    async with reader.subscribe(document) as stream:
        assert (await stream.next())["jobsUpdated"]["id"] == made.id
        await jobs.retitle(world.owner, another.id, "Not theirs")
        await jobs.retitle(world.owner, made.id, "Theirs")
        assert (await stream.next())["jobsUpdated"] == {"id": made.id, "title": "Theirs"}


async def test_read_token_is_offered_no_action(world: World) -> None:
    """The owner and an edit token are."""
    made = await a_job(world.owner, "One")
    document = f'{{ scene(id: "{made.scenes[0]}") {{ availableActions }} viewer {{ id grants tokens {{ id }} }} }}'
    expected = (await world.owner.execute(document))["scene"]
    assert expected["availableActions"]
    for grant, grants in (("READ", ["READ"]), ("EDIT", ["READ", "EDIT"])):
        client = await holder(world.server, world.owner, made.id, grants=(grant,))
        found = await client.execute(document)
        assert found["scene"] == (expected if grant == "EDIT" else {"availableActions": []})
        assert found["viewer"] == {"id": "olga", "grants": grants, "tokens": []}


async def test_token_shows_the_assets_that_its_job_names(world: World) -> None:
    """Those of other jobs look missing, in lists as well."""
    made, another = await a_job(world.owner, "One"), await a_job(world.owner, "One")
    asset = world.one.ids["asset"]
    async with world.server.app.container.store.write() as connection:
        row = {"scene_id": made.scenes[0], "ref": asset, "position": 0, "role": "FIRST_FRAME"}
        known = {name: value for name, value in row.items() if name in SCENE_INPUT.c}
        await connection.execute(sa.insert(SCENE_INPUT).values(known))
    document = f'{{ node(id: "{asset}") {{ id }} assets {{ totalCount nodes {{ id }} }} }}'
    seen, unseen = [
        await (await holder(world.server, world.owner, job.id)).execute(document) for job in (made, another)
    ]
    assert seen == {"node": {"id": asset}, "assets": {"totalCount": 1, "nodes": [{"id": asset}]}}
    assert unseen == {"node": None, "assets": {"totalCount": 0, "nodes": []}}


async def test_job_with_a_new_owner_leaves_the_token(world: World) -> None:
    """Reads, lists and changes."""
    made = await a_job(world.owner, "One")
    client = await holder(world.server, world.owner, made.id, grants=("EDIT",))
    document = f'{{ job(id: "{made.id}") {{ id }} jobs {{ totalCount nodes {{ id }} }} }}'
    assert (await client.execute(document))["jobs"]["totalCount"] == 1
    async with world.server.app.container.store.write() as connection:
        change = sa.update(JOB).where(JOB.c.id == made.id).values(owner_id="sam", version=JOB.c.version + 1)
        await connection.execute(change)
    assert await client.execute(document) == {"job": None, "jobs": {"totalCount": 0, "nodes": []}}
    refused = await client.mutate("updateJob", "errors { code }", jobId=made.id, title="Mine")
    assert refused["errors"] == [{"code": "NOT_FOUND"}]


async def test_answers_of_other_viewers_are_never_given(world: World) -> None:
    """The owner, and tokens of two jobs, send equal requests in turn over the same connections."""
    one, other = await a_job(world.owner, "One"), await a_job(world.owner, "One")
    readers = [await holder(world.server, world.owner, made.id) for made in (one, other)]
    bearers = [str(client.http.headers["authorization"]) for client in (world.owner, *readers)]
    documents: list[tuple[str, Json]] = [
        ("{ jobs(first: 100) { nodes { id title scenes { nodes { id availableActions } } } totalCount } }", {}),
        ("{ viewer { id grants tokens { id } } }", {}),
        *(("query($id: ID!) { job(id: $id) { id title } }", {"id": made.id}) for made in (one, other)),
        *(("query($id: ID!) { node(id: $id) { id } }", {"id": made.scenes[0]}) for made in (one, other)),
    ]

    async def asked(bearer: str, document: str, variables: Json) -> Any:
        headers = {"authorization": bearer}
        body = {"query": document, "variables": variables}
        found = await world.owner.http.post("/graphql", json=body, headers=headers)
        return found.json()["data"]

    for document, variables in documents:
        rounds = [[await asked(bearer, document, variables) for bearer in bearers] for _ in range(4)]
        of_owner, of_one, of_other = rounds[0]
        assert rounds == [rounds[0]] * 4
        assert of_one != of_other or "viewer" in document
        if "viewer" in document:
            assert of_owner != of_one
        for found, foreign in ((of_one, other), (of_other, one)):
            assert not any(each in json.dumps(found) for each in (foreign.id, *foreign.scenes))


async def test_streams_are_shared_by_viewers_with_the_same_token_only(world: World) -> None:
    """The owner, two readers, an editor and the reader of another job follow a job by the same document."""
    made, another = await a_job(world.owner, "One"), await a_job(world.owner, "One")
    document = """subscription($id: ID!) { jobEvents(jobId: $id) {
        ... on JobSnapshot { version job { scenes { nodes { availableActions } } } }
        ... on JobEvent { version scene { availableActions } }
    } }"""
    reader = await holder(world.server, world.owner, made.id)
    editor = await holder(world.server, world.owner, made.id, grants=("EDIT",))
    stranger = await holder(world.server, world.owner, another.id)
    may_change = [True, False, False, True]
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(multiplexed(each)) for each in (world.owner, reader, reader, editor)]
        other = await stack.enter_async_context(multiplexed(stranger))
        for socket in (*sockets, other):
            await socket.subscribe("1", document, id=made.id)
        message = await other.message("1")
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "NOT_FOUND")
        first = [(await socket.feed("1"))["job"]["scenes"]["nodes"][0]["availableActions"] for socket in sockets]
        assert [bool(actions) for actions in first] == may_change
        await jobs.change(world.owner, "updateScene", sceneId=made.scenes[0], prompt="Changed")
        assert [(await socket.feed("1"))["scene"]["availableActions"] for socket in sockets] == first
        await other.flush()
        assert other.unread("1") == 0
