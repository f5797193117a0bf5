"""SceneTake, one attempt at a scene, and what it was made from. Values are rows of `models.db.rows`.

An input may be a take, so both live in one file: two would need lazy types.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

import strawberry

from execution.relations import NEEDS
from execution.versions import VersionedColumns
from models.db.rows import TakeRow
from schema.assets import Asset
from schema.context import Info
from schema.enums import InputRole, SceneStatus, TakeReason
from schema.failures import SceneFailure, scene_failure
from schema.media import Media, media
from schema.nodes import Node
from schema.scalars import JSONObject
from schema.settings import RenderSettings, render_settings
from schema.versions import FROM_ROWS, WITH_JOB, WITH_LINKS
from schema.workers import Worker


@strawberry.type(description="An amount of money.")
class Money:
    """Made by `money`."""

    versioned_columns: ClassVar = VersionedColumns()

    amount: str = strawberry.field(description='A decimal number, such as "0.35".')
    currency: str = strawberry.field(description="The code of ISO 4217, such as USD.")


def money(stored: Mapping[str, Any] | None) -> Money | None:
    """Convert the JSON of a cost."""
    return None if stored is None else Money(amount=stored["amount"], currency=stored["currency"])


@strawberry.type(
    description=(
        "One attempt to render a scene. It never changes once it is finished: a regenerate makes a new take and keeps "
        "this one."
    )
)
class SceneTake(Node):
    """Read from `TakeRow`."""

    versioned_columns: ClassVar = VersionedColumns()

    number: int
    reason: TakeReason
    prompt: str
    status: SceneStatus
    provider: str
    provider_id: str | None
    is_current: bool = strawberry.field(description="Whether the scene shows this take.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, TakeRow)

    @strawberry.field(
        description="The clip in a format that browsers play; see original for the file as delivered.",
        metadata=WITH_LINKS | {NEEDS: ("output",)},
    )
    @staticmethod
    def output(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        return media(info.context, root.output)

    @strawberry.field(description="A still image of the clip.", metadata=WITH_LINKS | {NEEDS: ("poster",)})
    @staticmethod
    def poster(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        return media(info.context, root.poster)

    @strawberry.field(description="A short animated preview of the clip.", metadata=WITH_LINKS | {NEEDS: ("preview",)})
    @staticmethod
    def preview(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        return media(info.context, root.preview)

    @strawberry.field(
        description=(
            "The file as the provider delivered it, when output is not that file: output is then a rendition that "
            "browsers can play, or null because the file cannot be played (see failure). Null otherwise."
        ),
        metadata=WITH_LINKS | {NEEDS: ("original",)},
    )
    @staticmethod
    def original(root: strawberry.Parent[TakeRow], info: Info) -> Media | None:
        return media(info.context, root.original)

    @strawberry.field(
        description=(
            "Why the take failed; null unless it did. CLIP_UNREADABLE, CLIP_WITHOUT_PICTURE, CLIP_TRUNCATED, "
            "CLIP_TOO_LONG and CLIP_TOO_LARGE: the delivered clip cannot be played; it is in original."
        ),
        metadata=WITH_JOB | {NEEDS: ("failure",)},
    )
    @staticmethod
    def failure(root: strawberry.Parent[TakeRow]) -> SceneFailure | None:
        return scene_failure(root.failure)

    @strawberry.field(description='The worker that leases or leased the take; null for providers other than "leased".')
    @staticmethod
    async def worker(root: strawberry.Parent[TakeRow], info: Info) -> Worker | None:
        return cast("Worker | None", await info.context.loaders.worker_of_take.load(root.id))

    @strawberry.field(
        description=(
            "The settings of the take: the requested ones and, once it is completed, those that the provider reports "
            "as used, the seed included. Empty until the take starts; never change once it is finished."
        ),
        metadata=WITH_JOB | {NEEDS: ("provider", "settings")},
    )
    @staticmethod
    def settings(root: strawberry.Parent[TakeRow]) -> RenderSettings:
        return render_settings(root.provider, root.settings)

    @strawberry.field(
        description="The input files of the take. Empty until the take starts; never change afterwards.",
        metadata=WITH_JOB | {NEEDS: ("inputs",)},
    )
    @staticmethod
    def inputs(root: strawberry.Parent[TakeRow]) -> list["RenderInput"]:
        return render_inputs(root.inputs)

    @strawberry.field(
        description=(
            'Requested settings and inputs that had no effect, such as "seed" or "inputs.0", as the provider reports.'
        ),
        metadata=WITH_JOB | {NEEDS: ("made",)},
    )
    @staticmethod
    def ignored(root: strawberry.Parent[TakeRow]) -> list[str]:
        return list((root.made or {}).get("ignored", ()))

    @strawberry.field(
        description="What the provider charges for the clip; null when it does not report it.",
        metadata=WITH_JOB | {NEEDS: ("made",)},
    )
    @staticmethod
    def cost(root: strawberry.Parent[TakeRow]) -> Money | None:
        return money((root.made or {}).get("cost"))

    @strawberry.field(
        description="Other measurements of the provider, such as predictSeconds; empty when it reports none.",
        metadata=WITH_JOB | {NEEDS: ("made",)},
    )
    @staticmethod
    def metrics(root: strawberry.Parent[TakeRow]) -> JSONObject:
        return JSONObject((root.made or {}).get("metrics") or {})


@strawberry.type(
    description=(
        "An input file of a take: an asset, the frame of another take at atSeconds (the last frame when null) or, with "
        "the role SOURCE_VIDEO, the clip of that take. Both asset and take are null once the object is purged."
    )
)
class RenderInput:
    """Made by `render_inputs`."""

    versioned_columns: ClassVar = VersionedColumns()

    role: InputRole
    name: str | None = strawberry.field(description="The name by which the prompt refers to the file.")
    at_seconds: float | None
    asset_id: strawberry.Private[str | None]
    take_id: strawberry.Private[str | None]

    @strawberry.field(description="The asset, even if it was deleted later.", metadata=FROM_ROWS)
    async def asset(self, info: Info) -> Asset | None:
        found = None if self.asset_id is None else await info.context.loaders.asset.load(self.asset_id)
        return cast("Asset | None", found)

    @strawberry.field(description="The take whose frame or clip is used.", metadata=FROM_ROWS)
    async def take(self, info: Info) -> SceneTake | None:
        found = None if self.take_id is None else await info.context.loaders.take.load(self.take_id)
        return cast("SceneTake | None", found)


def render_inputs(stored: Sequence[Mapping[str, Any]] | None) -> list[RenderInput]:
    """Return stored inputs; one with a role that this program does not know was stored by a newer one."""
    roles = {str(each): each for each in InputRole}
    return [
        RenderInput(
            role=roles[given["role"]],
            name=given.get("name"),
            at_seconds=given.get("at_seconds"),
            asset_id=given.get("asset_id"),
            take_id=given.get("take_id"),
        )
        for given in stored or ()
        if given["role"] in roles
    ]
