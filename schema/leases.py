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


@strawberry.type(description="An input file of a leased take, with a URL to download it.")
class LeaseFile:
    """Part of TakeLease."""

    role: InputRole
    name: str | None = strawberry.field(description="The name by which the prompt refers to the file.")
    media: Media


@strawberry.type(
    description=(
        "The right of one worker to render a take. It ends when it expires without a renewal, and when the take is "
        "canceled, regenerated or deleted."
    )
)
class TakeLease:
    """Read from `LeaseView`."""

    token: str | None = strawberry.field(
        description="The secret that identifies the lease; null for callers other than its worker."
    )
    take: SceneTake
    scene: Scene = strawberry.field(
        description=(
            "The scene of the take. Its job and the objects of that job are null unless they are visible to the caller "
            "without the lease."
        )
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

    @strawberry.field(description="The input files of the take; workers download them from files.")
    @staticmethod
    def inputs(root: strawberry.Parent[LeaseView]) -> list[RenderInput]:
        return render_inputs(root.take.inputs)

    @strawberry.field(
        description=(
            "The files of inputs, in the same order. Returned by claimTakes: download them before their URLs expire."
        )
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

    @strawberry.field(description="Where to upload the clip before finishTake; null for callers other than the worker.")
    @staticmethod
    def clip(root: strawberry.Parent[LeaseView]) -> UploadTarget | None:
        return None if root.upload is None else upload_target(root.upload)

    @strawberry.field
    @staticmethod
    def expires_at(root: strawberry.Parent[LeaseView]) -> datetime:
        return root.scene.lease_expires_at or root.lease.claimed_at

    @strawberry.field(
        description="The traceparent header (W3C Trace Context) of the render, for requests that the worker makes."
    )
    @staticmethod
    def traceparent(root: strawberry.Parent[LeaseView]) -> str | None:
        return root.lease.traceparent


@strawberry.type(description="A reason why waiting takes were not leased, and their number.")
class PassedOver:
    """Part of ClaimTakesPayload."""

    reason: str = strawberry.field(
        description=(
            '"no such model", "other labels are required", "the next attempt is not due", "the worker says that it is '
            'unhealthy", or "the limit of concurrent leased takes is reached".'
        )
    )
    takes: int = strawberry.field(description="Number of takes; at most 10,000 waiting takes are counted.")


@strawberry.type(description="The new leases, or when there are none, why waiting takes were passed over.")
class ClaimTakesPayload:
    """The payload of claimTakes."""

    leases: list[TakeLease]
    passed_over: list[PassedOver]
    errors: list[UserError]


@strawberry.type(description="The lease (null once it has ended) and its scene, or the errors.")
class LeasePayload:
    """The payload of the other mutations of leases."""

    lease: TakeLease | None
    scene: Scene | None
    errors: list[UserError]


def as_lease(view: LeaseView) -> TakeLease:
    """Return a view as the type that it stands in for."""
    return cast("TakeLease", view)
