"""Access tokens: their type, inputs and payloads. Values of AccessToken are rows of `models.reads.tokens`."""

from datetime import datetime
from typing import cast

import strawberry

from coordinator.commands.tokens import NewToken
from models.reads.tokens import TokenRow
from schema.context import Info
from schema.enums import Grant
from schema.errors import UserError
from schema.inputs import given
from schema.nodes import Node


@strawberry.type(
    description=(
        "A token that its maker hands to browsers or workers. It reads or changes the jobs that it names and nothing "
        "else."
    )
)
class AccessToken(Node):
    """Read from `TokenRow`."""

    label: str | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = strawberry.field(description="Up to a minute old.")
    revoked_at: datetime | None

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, TokenRow)

    @strawberry.field(description="The jobs that it names; null: all of its maker's, those made later included.")
    @staticmethod
    async def job_ids(root: strawberry.Parent[TokenRow], info: Info) -> list[strawberry.ID] | None:
        if root.all_jobs:
            return None
        return [strawberry.ID(job_id) for job_id in await info.context.loaders.jobs_of_token.load(root.id) or ()]

    @strawberry.field(description="What it permits; EDIT includes READ.")
    @staticmethod
    def grants(root: strawberry.Parent[TokenRow]) -> list[Grant]:
        return [Grant(each) for each in root.grants]


@strawberry.input(description="A new access token.")
class CreateTokenInput:
    """The input of createToken."""

    job_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "1 to 100 jobs of the caller; when omitted, all of the caller's, those made later included. A token with "
            "the grant WORK names none."
        ),
    )
    grants: list[Grant] = strawberry.field(description="What it permits, each once; at least one.")
    expires_in_seconds: int = strawberry.field(default=3600, description="60..86400")
    label: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is for; shown in lists and in the audit log."
    )

    def new_token(self) -> NewToken:
        """Convert to the coordinator's input."""
        return NewToken(given(self.job_ids), self.grants, self.expires_in_seconds, given(self.label))


@strawberry.input(description="The access token that a mutation acts on.")
class TokenActionInput:
    """The input of revokeToken."""

    token_id: strawberry.ID


@strawberry.type(description="The access token, or the errors.")
class TokenPayload:
    """The payload of createToken and revokeToken."""

    token: AccessToken | None
    secret: str | None = strawberry.field(
        description="Send it as `Authorization: Bearer <secret>`; returned only by createToken."
    )
    errors: list[UserError]


def as_token(row: TokenRow | None) -> AccessToken | None:
    """Return a row as the type that it stands in for; it is not copied."""
    return cast("AccessToken | None", row)
