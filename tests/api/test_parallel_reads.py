"""Jobs that many clients read by id at the same time: each is answered what its viewer may see, as it is now."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.support.client import Json
from tests.support.factories import a_job
from tests.support.tokens import ProductionServer, production_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

ONE_JOB = "query($id: ID!) { job(id: $id) { id title progress { total version } } }"
JOBS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server, whose clients show tokens."""
    async with production_server(tmp_path_factory.mktemp("parallel")) as server:
        yield server


async def test_parallel_reads_show_each_owner_its_own_jobs(server: ProductionServer) -> None:
    """Those of others and unknown ones are null, whatever is read at the same time by whom."""
    users = {name: server.user(name) for name in ("ann", "bob")}
    owned = {(await a_job(user, f"{name} {n}")).id: name for name, user in users.items() for n in range(JOBS)}
    asked = [(name, each) for _ in range(3) for each in (*owned, "job_00000000000000000000000000") for name in users]
    answers = await asyncio.gather(*(users[name].execute(ONE_JOB, id=each) for name, each in asked))
    for (name, each), answer in zip(asked, answers, strict=True):
        found: Json | None = answer["job"]
        assert (found and found["id"]) == (each if owned.get(each) == name else None)


async def test_reads_after_a_change_show_it_while_others_read(server: ProductionServer) -> None:
    """A read that began after the answer to a mutation has at least its version."""
    owner = server.user("olga")
    made = [await a_job(owner, f"A job {number}") for number in range(JOBS)]

    async def change_and_read(job_id: str) -> None:
        for number in range(5):
            title = f"Title {number}"
            changed = await owner.mutate("updateJob", "job { version } errors { code }", jobId=job_id, title=title)
            seen = (await owner.execute(ONE_JOB, id=job_id))["job"]
            assert seen["title"] == title
            assert seen["progress"]["version"] == changed["job"]["version"]

    await asyncio.gather(*(change_and_read(each.id) for each in made))
