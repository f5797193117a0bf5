"""The JavaScript client and a server: cut lines, more events than the server buffers, tokens that are revoked."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import javascript_clients, jobs
from tests.support.client import Client, Json
from tests.support.followed_javascript import javascript_follower
from tests.support.freezing_proxy import freezing_proxy
from tests.support.server_app import running
from tests.support.tokens import production_server

DOCUMENTS = javascript_clients.FOLDER / "javascript" / "documents"
JOB = (DOCUMENTS / "job-feed.graphql").read_text("utf-8").partition("fragment")
CREATE_TOKEN = """mutation($jobId: ID!) {
  createToken(input: {jobIds: [$jobId], grants: [READ]}) { token { id } secret errors { message } }
}"""
REVOKE_TOKEN = "mutation($id: ID!) { revokeToken(input: {tokenId: $id}) { errors { message } } }"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """Build the client."""
    javascript_clients.build()


async def expected_job(client: Client, job_id: str) -> Json:
    """Query the job with the fields that the client shows."""
    document = f"query($id: ID!) {{ job(id: $id) {{ ...FollowedJob }} }} fragment{JOB[2]}"
    return (await client.execute(document, id=job_id))["job"]


async def expected_titles(client: Client) -> list[str]:
    """Query the list of jobs in the order of the server."""
    return [job["title"] for job in (await client.execute("{ jobs(first: 100) { nodes { title } } }"))["jobs"]["nodes"]]


@pytest.mark.sqlite_alone
async def test_a_client_shows_the_last_state_after_cuts_and_after_more_events_than_are_buffered(tmp_path: Path) -> None:
    """Of the job and of the list: jobs that were made, renamed and deleted while the line was cut included."""
    async with running(tmp_path, subscriber_events=4) as app:
        made = await jobs.make(app, *[jobs.scene(f"Scene {number}") for number in range(8)], provider="external")
        other = await jobs.make(app, title="Deleted meanwhile", provider="external")
        server = urlsplit(app.url)
        assert server.port is not None
        async with freezing_proxy("127.0.0.1", server.port) as proxy:
            address = f"http://127.0.0.1:{proxy.port}"
            async with javascript_follower(address, made.id) as follower:
                await follower.until(lambda it: it.states[-1:] == ["live"] and it.jobs != [] and it.lists != [])
                proxy.cut()
                await follower.until(lambda it: it.states[-1:] == ["reconnecting"])
                last = await jobs.retitle(app, made.id, "Renamed meanwhile")
                await jobs.change(app, "deleteJob", jobId=other.id)
                await jobs.make(app, title="Made meanwhile", provider="external")
                titles = await expected_titles(app)
                await follower.until(lambda it: it.states[-1:] == ["live"] and it.jobs[-1]["version"] == last)
                await follower.until(lambda it: [job["title"] for job in it.lists[-1]] == titles)
                updates = [{"sceneId": scene_id, "prompt": "Burst"} for scene_id in made.scenes]
                await jobs.change(app, "updateScenes", jobId=made.id, scenes=updates)
                end = await expected_job(app, made.id)
                await follower.until(lambda it: it.jobs[-1]["version"] == end["version"])
    assert follower.jobs[-1] == end
    assert [message["reason"] for message in follower.messages if "reason" in message] == ["INITIAL", "LAGGED"]
    versions = [job["version"] for job in follower.jobs]
    assert versions == sorted(versions)
    assert follower.ends == []


@pytest.mark.sqlite_alone
async def test_a_client_asks_for_a_new_token_when_its_token_is_revoked(tmp_path: Path) -> None:
    """The stream continues; with a second refusal in a row it ends. A request is repeated with the new token."""
    asked: list[str | None] = []
    tokens: list[str] = []

    def token(refused: str | None) -> str | None:
        asked.append(refused)
        return tokens[-1]

    async with production_server(tmp_path) as production:
        owner = production.user("ann")
        made = await jobs.make(owner, provider="external")

        async def new_token() -> str:
            created = (await owner.execute(CREATE_TOKEN, jobId=made.id))["createToken"]
            tokens.append(created["secret"])
            return created["token"]["id"]

        first = await new_token()
        async with javascript_follower(production.app.url, made.id, token) as follower:
            await follower.until(lambda it: it.states[-1:] == ["live"] and it.jobs != [] and it.lists != [])
            second = await new_token()
            await owner.execute(REVOKE_TOKEN, id=first)
            last = await jobs.retitle(owner, made.id, "After the first token")
            await follower.until(lambda it: it.jobs[-1]["version"] == last)
            assert asked == [None, tokens[0]]
            follower.request("{ viewer { id } }")
            await follower.until(lambda it: it.answers == [{"data": {"viewer": {"id": "ann"}}}])
            await owner.execute(REVOKE_TOKEN, id=second)
            await follower.until(lambda it: len(it.ends) == 2)
            follower.request("{ viewer { id } }")
            await follower.until(lambda it: len(it.answers) == 2)
    assert follower.ends == ["UNAUTHENTICATED", "UNAUTHENTICATED"]
    assert follower.states[-1:] == ["closed"]
    assert follower.answers[1] == {"failed": "UNAUTHENTICATED"}
    assert asked[2:] == [None, tokens[1], None, tokens[1]]
