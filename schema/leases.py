"""Leases of takes. Values of TakeLease are a `LeaseView`."""

from datetime import datetime
from typing import Any, cast

import strawberry

from schema.assets import UploadTarget, upload_target
from schema.context import Info
from schema.enums import InputRole
from schema.errors import UserError
from schema.lease_views import LeaseView
from schema.media import Media, media
from schema.settings import RenderSettings, render_settings
from schema.takes import RenderInput, SceneTake, render_inputs
from schema.types import Scene
from schema.workers import Worker


@strawberry.type(description="A file that a leased take is made from, ready to be fetched.")
class LeaseFile:
    """Part of TakeLease."""

    role: InputRole
    name: str | None = strawberry.field(description="How the prompt refers to it.")
    media: Media


@strawberry.type(
    description=(
        "The right to render one take until it expires, is renewed, or is lost to a cancel, regenerate or delete."
    )
)
class TakeLease:
    """Read from `LeaseView`."""

    token: str | None = strawberry.field(description="Shown to its worker alone, null to others.")
    take: SceneTake
    scene: Scene = strawberry.field(
        description="Its job, and what belongs to that, are visible only to those who may see the job anyway."
    )
    worker: Worker

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a view stands in for this type."""
        return isinstance(value, LeaseView)

    @strawberry.field
    @staticmethod
    def prompt(root: strawberry.Parent[LeaseView]) -> str:
        return root.take.prompt

    @strawberry.field
    @staticmethod
    def duration_seconds(root: strawberry.Parent[LeaseView]) -> float:
        return root.scene.duration_seconds

    @strawberry.field(description="What the clip is to be made from; workers fetch files.")
    @staticmethod
    def inputs(root: strawberry.Parent[LeaseView]) -> list[RenderInput]:
        return render_inputs(root.take.inputs)

    @strawberry.field(
        description="The files of inputs, in order. Given by claimTakes: fetch them before their addresses expire."
    )
    @staticmethod
    def files(root: strawberry.Parent[LeaseView], info: Info) -> list[LeaseFile]:
        found: list[LeaseFile] = []
        for each in root.stored_files:
            stored: dict[str, Any] = {
                "key": each.key,
                "content_type": each.content_type,
                "size_bytes": each.size_bytes,
            }
            shown = cast("Media", media(info.context, stored))
            found.append(LeaseFile(role=InputRole(each.role), name=each.name, media=shown))
        return found

    @strawberry.field
    @staticmethod
    def settings(root: strawberry.Parent[LeaseView]) -> RenderSettings:
        return render_settings(root.take.provider, root.take.settings)

    @strawberry.field(description="Where the clip goes before finishTake; null to others than the worker.")
    @staticmethod
    def clip(root: strawberry.Parent[LeaseView]) -> UploadTarget | None:
        return None if root.upload is None else upload_target(root.upload)

    @strawberry.field
    @staticmethod
    def expires_at(root: strawberry.Parent[LeaseView]) -> datetime:
        return root.scene.lease_expires_at or root.lease.claimed_at

    @strawberry.field(
        description="The span of the render, as the header of W3C Trace Context: for requests that the worker makes."
    )
    @staticmethod
    def traceparent(root: strawberry.Parent[LeaseView]) -> str | None:
        return root.lease.traceparent


@strawberry.type(description="Why waiting takes were not handed out, and how many.")
class PassedOver:
    """Part of ClaimTakesPayload."""

    reason: str = strawberry.field(
        description=(
            '"no such model", "other labels are required", "the next attempt is not due", "the worker says that it is '
            'unhealthy", or "the limit of concurrent leased takes is reached".'
        )
    )
    takes: int = strawberry.field(description="At most 10,000 waiting takes are counted.")


@strawberry.type(description="The leases; without any, why.")
class ClaimTakesPayload:
    """The payload of claimTakes."""

    leases: list[TakeLease]
    passed_over: list[PassedOver]
    errors: list[UserError]


@strawberry.type(description="The lease, null once it has ended, and its scene.")
class LeasePayload:
    """The payload of the other mutations of leases."""

    lease: TakeLease | None
    scene: Scene | None
    errors: list[UserError]


def as_lease(view: LeaseView) -> TakeLease:
    """Return a view as the type that it stands in for."""
    return cast("TakeLease", view)
