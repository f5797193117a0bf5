"""Access tokens for tests: made over GraphQL, and clients with them."""

from typing import Any, NamedTuple

from tests.support.client import Client, Json
from tests.support.factories import accepted
from tests.support.tokens import ProductionServer

TOKEN = "token { id label jobIds grants createdAt expiresAt lastUsedAt revokedAt }"
PING = {"query": "{ __typename }"}
EDITS = frozenset(
    [
        *("updateJob", "startJob", "cancelJob", "deleteJob", "restoreJob", "reorderScenes"),
        *("addScene", "updateScene", "regenerateScene", "cancelScene", "deleteScene", "restoreScene", "moveScene"),
        *("selectTake", "updateScenes", "regenerateScenes", "cancelScenes", "deleteScenes", "restoreScenes"),
    ]
)
"""The mutations that the grant EDIT permits."""

WORK = frozenset(["claimTakes", "renewLease", "finishTake", "failTake", "releaseTake"])


class Issued(NamedTuple):
    """A token as it was shown when it was made, and its secret."""

    shown: Json
    secret: str

    @property
    def id(self) -> str:
        """The id of the token."""
        return str(self.shown["id"])


async def issue(owner: Client, *job_ids: str, grants: tuple[str, ...] = ("READ",), **fields: Any) -> Issued:
    """Make an access token for these jobs; without any, for all of the owner's."""
    named = {"jobIds": list(job_ids)} if job_ids else {}
    made = await accepted(owner, "createToken", f"{TOKEN} secret", grants=list(grants), **named, **fields)
    return Issued(made["token"], made["secret"])


async def holder(server: ProductionServer, owner: Client, *job_ids: str, **fields: Any) -> Client:
    """Return a client with a new access token."""
    return server.client((await issue(owner, *job_ids, **fields)).secret)


async def status(client: Client) -> int:
    """Return the status of a small request."""
    return (await client.http.post("/graphql", json=PING)).status_code
