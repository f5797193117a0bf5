"""The mutations of access tokens."""

import strawberry

from resolvers.answers import attempt
from schema.context import Info
from schema.tokens import CreateTokenInput, TokenActionInput, TokenPayload, as_token


@strawberry.type
class TokenMutation:
    """The part of Mutation about access tokens."""

    @strawberry.mutation(
        description=(
            "Make an access token for some jobs, and return its secret, which is shown only once. The jobs must be the "
            "caller's. An access token makes no further ones."
        )
    )
    async def create_token(self, info: Info, input: CreateTokenInput) -> TokenPayload:
        context = info.context
        outcome = await attempt(context.commands.tokens.create(context.viewer, input.new_token()))
        if isinstance(outcome, list):
            return TokenPayload(token=None, secret=None, errors=outcome)
        context.audit.object_id = outcome.token_id
        row = await context.loaders.token.load(outcome.token_id)
        return TokenPayload(token=as_token(row), secret=outcome.secret, errors=[])

    @strawberry.mutation(
        description=(
            "Revoke an access token: requests with it are refused, and its websockets and streams end. One that is "
            "revoked already does not change."
        )
    )
    async def revoke_token(self, info: Info, input: TokenActionInput) -> TokenPayload:
        context = info.context
        errors = await attempt(context.commands.tokens.revoke(context.viewer, input.token_id))
        row = await context.loaders.token.load(input.token_id) if errors is None else None
        return TokenPayload(token=as_token(row), secret=None, errors=errors or [])
