"""A server in the event loop of the test, on a real port: called over HTTP, inspected through its container."""

import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from coordinator import coordinator
from providers.port import Provider
from server import garbage_collection, huge_pages
from server.app import Container, create_app
from server.settings import PREFIX, Settings
from tests.support.client import Client
from tests.support.database_choice import database_choice
from tests.support.migrated_file import create_migrated
from tests.support.uvicorn_server import serve

# Tests purge by themselves: a purge by the server would be in the way of those of races. Those of the server's own
# purge set a short pause.
coordinator.PURGE_SECONDS = 86_400.0
# What is imported is exempt already (tests/conftest.py), and a server of a test does not live long.
garbage_collection.tune = lambda: None
huge_pages.use_in_background = lambda: None


class GivenSettings(Settings):
    """Settings that are not looked for in the environment, which takes as long as a tenth of the start of a server."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


class App(Client):
    """The client of a running server, and its parts."""

    def __init__(self, url: str, container: Container) -> None:
        super().__init__(url)
        self.container = container


@asynccontextmanager
async def running(
    folder: Path,
    providers: Mapping[str, Provider] | None = None,
    listener: socket.socket | None = None,
    *,
    renders: bool = True,
    **settings: Any,
) -> AsyncGenerator[App]:
    """Run a server with its data in `folder`, on a free port of loopback unless `listener` is given. Without `renders`,
    workers render.

    Defaults of tests: quick retries, no limit on regenerates, and the scripted provider.
    """
    usual: dict[str, Any] = {
        "database_url": database_choice.url(folder),
        "media_url": str(folder / "media"),
        "provider": "scripted",
        "retry_first_seconds": 0.05,
        "render_concurrency": 4,
        "regenerates_an_hour": 0,
        "public_url": "http://scenewire.test",
    }
    if "database_url" not in settings:
        create_migrated(folder)
    chosen = _settings(usual | settings)
    app = create_app(chosen, providers=providers, renders=renders)
    container: Container = app.state.container
    # A test may leave a stream unread for as long as a busy machine needs for the rest of it.
    limits = replace(chosen.transport_limits, dead_after_seconds=3_600.0, stall_seconds=3_600.0)
    async with serve(app, container.connections, limits, listener=listener) as served:
        client = App(served.origin, container)
        try:
            yield client
        finally:
            await client.close()


def _settings(values: Mapping[str, Any]) -> Settings:
    """Return settings of these values, and of variables of the environment if there are any."""
    variables = {name.upper().removeprefix(PREFIX).lower() for name in os.environ if name.upper().startswith(PREFIX)}
    kind = GivenSettings if variables.isdisjoint(Settings.model_fields) else Settings
    return kind.model_validate(values)
