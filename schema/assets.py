"""Assets and where their bytes go. Values of Asset are rows of `models.db.asset_rows`."""

from datetime import datetime
from typing import ClassVar, cast

import strawberry

from coordinator.assets import uploads
from coordinator.assets.commands import NewAsset
from models.db.asset_rows import AssetRow
from models.domain import paging
from models.domain.paging import Page
from models.reads.assets import AssetQuery, asset_key, assets_count
from schema.context import Info
from schema.enums import AssetKind, AssetStatus
from schema.errors import UserError
from schema.failures import SceneFailure, scene_failure
from schema.inputs import IDEMPOTENCY_KEY, METADATA, given
from schema.media import Media, media
from schema.nodes import Node, PageInfo, page_info
from schema.scalars import JSONObject, SafeInt
from schema.versions import WITH_LINKS


@strawberry.type(description="An uploaded file that takes can use as an input.")
class Asset(Node):
    """Read from `AssetRow`."""

    kind: AssetKind
    name: str | None
    status: AssetStatus
    sha256: str | None = strawberry.field(
        description=(
            "SHA-256 of the file in lower-case hex: the announced one, and once READY the one of the stored bytes."
        )
    )
    metadata: JSONObject = strawberry.field(description="The client's own data.")
    owner_id: strawberry.ID
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    purge_after: datetime | None = strawberry.field(
        description=(
            "When the asset is removed permanently. Until then a deleted asset can be restored, and the bytes of a "
            "WAITING one can be uploaded. Null for a READY asset that is not deleted."
        )
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, AssetRow)

    @strawberry.field(
        description=(
            "Why the asset was rejected. FILE_OTHER_SIZE, FILE_OTHER_HASH, FILE_OTHER_TYPE: the bytes differ from the "
            "announced size, hash or type. FILE_UNREADABLE, FILE_TRUNCATED, FILE_TOO_LARGE, FILE_TOO_LONG, "
            "FILE_WITHOUT_PICTURE: the file cannot be used."
        )
    )
    @staticmethod
    def failure(root: strawberry.Parent[AssetRow]) -> SceneFailure | None:
        return scene_failure(root.failure)

    @strawberry.field(description="The file; null until the asset is READY.", metadata=WITH_LINKS)
    @staticmethod
    def media(root: strawberry.Parent[AssetRow], info: Info) -> Media | None:
        return media(info.context, root.media)

    @strawberry.field(description="A still image of the file; null for audio, and until the asset is READY.")
    @staticmethod
    def poster(root: strawberry.Parent[AssetRow], info: Info) -> Media | None:
        return media(info.context, root.poster)


@strawberry.type(description="A header of a request.")
class HttpHeader:
    """One header of an `UploadTarget`."""

    name: str
    value: str


@strawberry.type(
    description=(
        "Where to upload a file: one request with this method and these headers or, when resumable, the tus protocol "
        "1.0 (PATCH and HEAD) at the same URL. The URL is signed: anyone who has it can upload without a token."
    )
)
class UploadTarget:
    """Made by `upload_target`."""

    method: str
    url: str
    headers: list[HttpHeader]
    resumable: bool = strawberry.field(
        description="Whether an interrupted upload can continue after the bytes that have arrived."
    )
    max_bytes: SafeInt
    expires_at: datetime = strawberry.field(
        description=(
            "The upload must begin before this instant. completeAsset returns a new target while bytes are missing."
        )
    )


@strawberry.type
class AssetEdge:
    """An asset and its cursor."""

    cursor: str
    node: Asset


@strawberry.type(description="A page of assets, newest first.")
class AssetConnection:
    """`query` is kept for the total count."""

    stored_columns: ClassVar = True

    edges: list[AssetEdge]
    nodes: list[Asset]
    page_info: PageInfo
    query: strawberry.Private[AssetQuery]

    @strawberry.field(description="Number of assets on all pages.")
    async def total_count(self, info: Info) -> int:
        async with info.context.snapshot.read() as connection:
            return await assets_count(connection, info.context.viewer, self.query)


@strawberry.type(description="The asset and its upload target while bytes are missing, or the errors.")
class AssetPayload:
    """The payload of the mutations of assets."""

    asset: Asset | None
    upload: UploadTarget | None = strawberry.field(
        description="Returned by createAsset, and by completeAsset while bytes are missing."
    )
    errors: list[UserError]


@strawberry.input(description="A new asset: a file that will be uploaded.")
class CreateAssetInput:
    """The input of createAsset."""

    kind: AssetKind
    content_type: str = strawberry.field(
        description=(
            "The media type of a PNG, JPEG or WebP image, an MP4, QuickTime, WebM or Matroska video, or an MP3, WAV, "
            "FLAC, Ogg or M4A audio file. The uploaded bytes must match it."
        )
    )
    size_bytes: SafeInt
    sha256: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=(
            "SHA-256 of the file in lower-case hex; the uploaded bytes must match it. A file that the caller already "
            "has needs no upload: the asset is READY at once."
        ),
    )
    name: str | None = strawberry.field(default=strawberry.UNSET, description="1 to 200 characters.")
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=METADATA)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=IDEMPOTENCY_KEY)

    def new_asset(self) -> NewAsset:
        """Convert to the coordinator's input."""
        return NewAsset(
            self.kind,
            self.content_type,
            self.size_bytes,
            given(self.sha256),
            given(self.name),
            given(self.metadata),
            given(self.idempotency_key),
        )


@strawberry.input(description="The asset that a mutation acts on.")
class AssetActionInput:
    """The input of completeAsset, deleteAsset and restoreAsset."""

    asset_id: strawberry.ID


def as_asset(row: AssetRow | None) -> Asset | None:
    """Return a row as the type that it stands in for; it is not copied."""
    return cast("Asset | None", row)


def upload_target(target: uploads.UploadTarget) -> UploadTarget:
    """Convert the coordinator's target."""
    return UploadTarget(
        method=target.method,
        url=target.url,
        headers=[HttpHeader(name=name, value=value) for name, value in target.headers.items()],
        resumable=target.resumable,
        max_bytes=SafeInt(target.max_bytes),
        expires_at=target.expires_at,
    )


def asset_connection(page: Page[AssetRow], query: AssetQuery) -> AssetConnection:
    """Return a page as a connection."""
    edges = [AssetEdge(cursor=paging.encode(asset_key(row)), node=cast("Asset", row)) for row in page.items]
    return AssetConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=page_info(page, [edge.cursor for edge in edges]),
        query=query,
    )
