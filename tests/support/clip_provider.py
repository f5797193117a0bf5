"""A provider of clips that tests describe: the object under "kind" in a scene's metadata."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

from providers.catalogue import Model
from providers.port import Asset, Order, Progress, Rendered
from tests.support.client import Json
from tests.support.clips import Kind, make
from tests.support.fake_providers import ANY_MODEL


class ClipProvider:
    """Renders small clips at once."""

    name = "scripted"

    async def models(self) -> Sequence[Model]:
        """Return the only model."""
        return (ANY_MODEL,)

    async def submit(self, order: Order) -> str:
        """Accept any order."""
        return f"shelf-{order.key}"

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Write the clip that the metadata describe; a take after the first is yellow."""
        path = order.workdir / "clip"
        kind = Kind(**cast("dict[str, Any]", order.metadata.get("kind", {})))
        if order.number > 1:
            kind = kind._replace(color="yellow")
        await asyncio.to_thread(make, path, kind)
        yield Rendered(Asset(path, kind.content_type, kind.width, kind.height, kind.seconds))

    async def cancel(self, provider_id: str) -> None:
        """Do nothing: no render runs for long."""

    async def close(self) -> None:
        """Do nothing: no resources are held."""


def clip(color: str = "red", **kind: Any) -> Json:
    """Return the input of a scene whose clip is of this kind."""
    return {"prompt": color, "metadata": {"kind": {"color": color, **kind}}}
