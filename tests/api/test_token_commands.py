"""The commands `token --jobs` and `revoke --token`, beside a server that runs, and the example of the documents."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.support import jobs
from tests.support.client import Client
from tests.support.command_line import Ran, invoke
from tests.support.factories import NO_JOB, NO_TOKEN, a_job
from tests.support.multiplexed import multiplexed
from tests.support.plain_ids import plain_text
from tests.support.server_process import ROOT
from tests.support.tokens import ProductionServer, production_server
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

PING = {"query": "{ __typename }"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server."""
    async with production_server(tmp_path_factory.mktemp("commands")) as server:
        yield server


async def run(server: ProductionServer, *arguments: str) -> Ran:
    """Run a command on the database of the server, without its secret."""
    url = server.app.container.settings.database_url
    return await asyncio.to_thread(invoke, *arguments, database_url=url)


async def test_token_of_the_command_reads_and_changes_its_jobs(server: ProductionServer) -> None:
    """Its maker is the owner of the jobs, its grants and label are listed, and the audit log names it."""
    owner = server.user("olga")
    made, another = await a_job(owner, "One"), await a_job(owner, "One")
    ran = await run(
        *(server, "token", "--jobs", made.id, "--grants", "read,edit"),
        *("--label", "Review", "--expires", "8h", "--name", "Olga's tool"),
    )
    assert ran.status == 0, ran
    said = re.fullmatch(r"scenewire: (token_\w+) expires in 28800 seconds\n", ran.err)
    assert said is not None
    token_id = said[1]
    editor = server.client(ran.out.strip())
    seen = await editor.execute("{ viewer { id name grants } jobs { nodes { id } } }")
    assert seen["viewer"] == {"id": "olga", "name": "Olga's tool", "grants": ["READ", "EDIT"]}
    assert seen["jobs"]["nodes"] == [{"id": made.id}]
    await jobs.retitle(editor, made.id, "By the holder")
    (listed,) = (await owner.execute("{ viewer { tokens { id label jobIds } } }"))["viewer"]["tokens"]
    assert listed == {"id": token_id, "label": "Review", "jobIds": [made.id]}
    entries = (await run(server, "audit", "--job", made.id, "--json")).out.splitlines()
    assert json.loads(entries[-1])["token"] == {"id": token_id, "label": "Review"}
    table = (await run(server, "audit", "--job", made.id)).out
    assert "TOKEN" in table.splitlines()[0]
    assert "TOKEN" not in (await run(server, "audit", "--job", another.id)).out
    assert "createToken" not in table


async def test_revoked_token_of_the_command_ends(server: ProductionServer) -> None:
    """Its sockets at the next look at all of them, its requests within a second."""
    made = await a_job(server.user("olga"), "One")
    secret = (await run(server, "token", "--jobs", made.id)).out.strip()
    reader = server.client(secret)
    owner = server.user("olga")
    token_id = (await owner.execute("{ viewer { tokens(first: 1) { id } } }"))["viewer"]["tokens"][0]["id"]
    async with multiplexed(reader) as socket:
        revoked = await run(server, "revoke", "--token", token_id)
        assert (revoked.status, revoked.err) == (0, "")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await socket.socket.wait_closed()
        assert (socket.socket.close_code, socket.socket.close_reason) == (4403, "The token was revoked.")

    async def is_refused() -> bool:
        return (await reader.http.post("/graphql", json=PING)).status_code == 401

    await eventually(is_refused)


@pytest.mark.sqlite_alone
@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("token --jobs <job>,<job>", "--jobs: --jobs has the same value twice"),
        ("token --jobs ,", "--jobs: --jobs is empty"),
        ("token --jobs <missing>", "--jobs: there is no job"),
        ("token --jobs <job>,<other>", "the jobs have several owners"),
        ("token --jobs <job> --sub sam", "--jobs: There is no such job."),
        ("token --jobs <job> --grants read,all", "--grants: 'all' is not a grant; the grants are read, edit, work"),
        ("token --jobs <job> --grants work", "A token with the grant WORK cannot name jobs"),
        ("token --jobs <job> --expires 25h", "--expires must be from 60 to 86400 seconds"),
        ("token --jobs <job> --expires soon", "--expires: 'soon' is not a duration"),
        ("token --jobs <job> --ttl 1h", "not possible with --jobs and --grants"),
        ("token --grants read", "--sub is required: without --jobs, the owner must be named"),
        ("token --sub sam --label Review", "not possible with a token without --jobs or --grants"),
        ("token", "required, unless --jobs is given"),
        (f"revoke --token {NO_TOKEN}", "--token: there is no token"),
        ("revoke", "give one of them"),
    ],
    ids=plain_text,
)
async def test_wrong_option_is_named_and_nothing_is_written(
    server: ProductionServer, arguments: str, error: str
) -> None:
    """With exit status 2."""
    owner, other = server.user("rob"), server.user("sam")
    made, theirs = await a_job(owner, "One"), await a_job(other, "One")
    for name, value in (("<job>", made.id), ("<other>", theirs.id), ("<missing>", NO_JOB)):
        arguments = arguments.replace(name, value)
    ran = await run(server, *arguments.split())
    assert ran.status == 2
    assert error in " ".join(ran.err.replace("│", " ").split())
    assert ran.out == ""
    for client in (owner, other):
        assert (await client.execute("{ viewer { tokens { id } } }"))["viewer"]["tokens"] == []


@pytest.mark.sqlite_alone
async def test_example_of_the_documents_makes_a_token(server: ProductionServer) -> None:
    """The mutation in docs/security.md, with the id of a job in its place."""
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    (document,) = re.findall(r"```graphql\n(mutation.*?)```", page, re.DOTALL)
    owner = server.user("dora")
    made = await a_job(owner, "One")
    payload = (await owner.execute(document.replace("job_…", made.id)))["createToken"]
    assert payload["errors"] == []
    reader: Client = server.client(payload["secret"])
    assert (await reader.execute("{ jobs { nodes { id } } }"))["jobs"]["nodes"] == [{"id": made.id}]
