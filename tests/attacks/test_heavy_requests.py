"""The most expensive requests within the limits. The canary measures their effect on another user."""

import asyncio

import pytest

from tests.support.attack_target import Target, codes, post
from tests.support.client import Client, Json
from tests.support.jobs import Made

pytestmark = pytest.mark.both_databases

JOBS, SCENES = 5, 200
EVERY_FIELD = """
  id jobId position title prompt durationSeconds status percentage provider providerId attempts maxAttempts
  nextAttemptAt version createdAt updatedAt startedAt finishedAt deletedAt purgeAfter metadata availableActions
  allowedTransitions output { url } poster { url } preview { url } failure { code }
"""
METADATA = {"a": list(range(3_200))}  # nearly 16 KiB, and slow to read
CREATE = 'mutation($scenes: [NewSceneInput!]!) { createJob(input: {title: "x", scenes: $scenes}) { errors { code } } }'
SET = "mutation($id: ID!, $m: JSONObject) { updateJob(input: {jobId: $id, metadata: $m}) { errors { code } } }"


@pytest.fixture(scope="module")
def settings() -> dict[str, float]:
    """No rate limits: only the effect on the canary is measured."""
    return {"limit_requests": 100_000, "limit_cost_a_minute": 100_000_000}


@pytest.fixture(scope="module")
def jobs(target: Target) -> list[Made]:
    """Jobs with the maximum number of scenes."""

    async def make() -> list[Made]:
        return [await target.a_job(scenes=SCENES) for _ in range(JOBS)]

    return asyncio.run(make())


async def test_query_of_all_scenes_of_many_jobs(mallory: Client, jobs: list[Made]) -> None:
    """Four times at once; each gets the complete result."""
    document = f"{{ jobs(first: {JOBS}) {{ nodes {{ scenes {{ nodes {{ {EVERY_FIELD} }} }} }} }} }}"
    answers = await asyncio.gather(*(post(mallory, document) for _ in range(4)))
    found = [len(job["scenes"]["nodes"]) for answer in answers for job in answer.json()["data"]["jobs"]["nodes"]]
    assert found == [SCENES] * JOBS * 4


async def test_query_with_the_maximum_number_of_aliases(mallory: Client, jobs: list[Made]) -> None:
    """All scenes of one job under each alias."""
    names = " ".join(f"a{n}: scenes {{ nodes {{ {EVERY_FIELD} }} }}" for n in range(15))
    answer = (await post(mallory, f'{{ job(id: "{jobs[0].id}") {{ {names} }} }}')).json()
    assert {len(each["nodes"]) for each in answer["data"]["job"].values()} == {SCENES}


async def test_scenes_with_large_metadata(mallory: Client, jobs: list[Made]) -> None:
    """60 scenes at once, a body of nearly 1 MB; then they are read, also over REST."""
    scenes: list[Json] = [{"prompt": "x", "metadata": METADATA}] * 60
    made = (await post(mallory, CREATE.replace("errors", "job { id } errors"), scenes=scenes)).json()
    job_id = made["data"]["createJob"]["job"]["id"]
    names = " ".join(f"a{n}: scenes {{ nodes {{ metadata }} }}" for n in range(15))
    document = f'{{ job(id: "{job_id}") {{ {names} }} }}'
    for answer in await asyncio.gather(*(post(mallory, document) for _ in range(3))):
        assert answer.json()["data"]["job"]["a14"]["nodes"][59] == {"metadata": METADATA}
    rest = await mallory.http.get(f"/api/v3/jobs/{job_id}/scenes")
    assert [scene["metadata"] for scene in rest.json()["data"]] == [METADATA] * 60


MEGABYTES: list[tuple[str, Json, str | None]] = [
    (CREATE, {"scenes": [{"prompt": ""}] * 60_000}, "GRAPHQL_LIMIT_EXCEEDED"),
    (CREATE, {"scenes": [1] * 400_000}, "GRAPHQL_LIMIT_EXCEEDED"),
    (CREATE, {"scenes": [{"prompt": ""}] * 1_000}, None),
    (SET, {"id": "1", "m": {"a": [[0] * 5] * 50_000}}, None),
    (SET, {"id": "1", "m": {str(n): {} for n in range(70_000)}}, None),
    ("{ viewer { id } }", {str(n): {} for n in range(70_000)}, None),
    ("query($s: [JobStatus!]) { jobs(filter: {status: $s}) { totalCount } }", {"s": ["PENDING"] * 1_000}, None),
    ("query($s: [JobStatus!]) { jobs(filter: {status: $s}) { totalCount } }", {"s": ["X"] * 999}, "BAD_USER_INPUT"),
]


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(("document", "variables", "code"), MEGABYTES)
async def test_request_with_a_megabyte_of_variables(
    mallory: Client, document: str, variables: Json, code: str | None
) -> None:
    """Several at once."""
    answers = await asyncio.gather(*(post(mallory, document, **variables) for _ in range(2)))
    for answer in answers:
        assert set(codes(answer.json())) == ({code} if code else set())


@pytest.mark.sqlite_alone
@pytest.mark.parametrize("opening", [b'{"a":', b"["])
async def test_deeply_nested_request_body_is_rejected(mallory: Client, opening: bytes) -> None:
    """A body of brackets only."""
    body = opening * (900_000 // len(opening))
    answer = await mallory.http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, codes(answer.json())) == (400, ["BAD_REQUEST"])


@pytest.mark.sqlite_alone
async def test_documents_just_below_the_limits(mallory: Client, jobs: list[Made]) -> None:
    """Tokens, aliases, depth and repeats; twenty different documents."""
    repeated = " ".join("scenes { nodes { job { scenes { nodes { id } } } } }" for _ in range(10))
    fields = " ".join(f"scenes {{ nodes {{ {EVERY_FIELD} }} }}" for _ in range(3))
    documents = [f'query Q{n} {{ job(id: "{jobs[0].id}x") {{ {repeated} {fields} }} }}' for n in range(20)]
    for answer in await asyncio.gather(*(post(mallory, document) for document in documents)):
        assert set(codes(answer.json())) <= {"GRAPHQL_LIMIT_EXCEEDED"}
