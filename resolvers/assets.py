"""The query and the mutations of assets."""

import strawberry

from models.domain import paging
from models.domain.rules import TITLE_CHARACTERS, Problems
from models.reads import assets
from models.reads.assets import AssetQuery
from resolvers.answers import attempt
from schema.assets import (
    AssetActionInput,
    AssetConnection,
    AssetPayload,
    CreateAssetInput,
    UploadTarget,
    as_asset,
    asset_connection,
    upload_target,
)
from schema.context import Context, Info
from schema.enums import AssetKind
from schema.errors import UserError
from schema.inputs import given


@strawberry.type
class AssetsQuery:
    """The part of Query about assets."""

    @strawberry.field(description="A page of the assets that are visible to the caller, newest first.")
    async def assets(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
        kind: list[AssetKind] | None = strawberry.UNSET,
        search: str | None = strawberry.UNSET,
        include_deleted: bool = False,
    ) -> AssetConnection:
        context = info.context
        window = paging.window(first=given(first), after=given(after), last=given(last), before=given(before))
        kinds, searched = given(kind), given(search)
        problems = Problems()
        problems.text(searched, ["search"], max_characters=TITLE_CHARACTERS, required=False)
        problems.check()
        query = AssetQuery(None if kinds is None else tuple(kinds), searched, include_deleted)
        async with context.snapshot.read() as connection:
            page = await assets.assets_page(connection, context.viewer, query, window)
        return asset_connection(page, query)


@strawberry.type
class AssetMutation:
    """The part of Mutation about assets."""

    @strawberry.mutation(
        description=(
            "Create an asset. Upload the file to the target, then call completeAsset. With the sha256 of a file that "
            "the caller already has, the asset is READY at once and upload is null."
        )
    )
    async def create_asset(self, info: Info, input: CreateAssetInput) -> AssetPayload:
        context = info.context
        outcome = await attempt(context.commands.assets.create(context.viewer, input.new_asset()))
        if isinstance(outcome, list):
            return AssetPayload(asset=None, upload=None, errors=outcome)
        return await _payload(context, outcome, await _target(context, outcome), [])

    @strawberry.mutation(
        description=(
            "Complete an upload: inspect the file and make the asset READY or REJECTED. Fails with UPLOAD_REFUSED "
            "while bytes are missing (upload is the target for them) and for a REJECTED asset."
        )
    )
    async def complete_asset(self, info: Info, input: AssetActionInput) -> AssetPayload:
        context = info.context
        errors = await attempt(context.commands.assets.complete(context.viewer, input.asset_id))
        upload = None if errors is None else await _target(context, input.asset_id)
        return await _payload(context, input.asset_id, upload, errors)

    @strawberry.mutation(
        description=(
            "Delete an asset; restoreAsset can restore it until purgeAfter. Fails with ASSET_IN_USE while the "
            "inputs of a live scene refer to it."
        )
    )
    async def delete_asset(self, info: Info, input: AssetActionInput) -> AssetPayload:
        context = info.context
        errors = await attempt(context.commands.assets.delete(context.viewer, input.asset_id))
        return await _payload(context, input.asset_id, None, errors)

    @strawberry.mutation(description="Restore a deleted asset.")
    async def restore_asset(self, info: Info, input: AssetActionInput) -> AssetPayload:
        context = info.context
        errors = await attempt(context.commands.assets.restore(context.viewer, input.asset_id))
        return await _payload(context, input.asset_id, None, errors)


async def _target(context: Context, asset_id: str) -> UploadTarget | None:
    """Return where the missing bytes of an asset go; None when none are awaited."""
    upload = await context.commands.assets.open_upload(context.viewer, asset_id)
    if upload is None:
        return None
    return upload_target(await context.coordinator.uploads.target(upload, context.link.upload))


async def _payload(
    context: Context, asset_id: str, upload: UploadTarget | None, errors: list[UserError] | None
) -> AssetPayload:
    """Return the asset after a command, also beside errors: the client sees what it was refused for.

    Read last: what else is read for the payload does not find a second connection.
    """
    row = await context.loaders.asset.load(asset_id)
    return AssetPayload(asset=as_asset(row), upload=upload, errors=errors or [])
