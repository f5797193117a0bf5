"""Random changes of a few jobs: every mutation, renders with progress, and the purge. Nothing else runs meanwhile."""

import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from coordinator.commands import scene_progress
from coordinator.commands.scene_progress import Fenced
from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from coordinator.storage import purge, retention
from coordinator.storage.retention import Retention
from models.db import clock
from models.db.rows import SCENE_SELECT, SceneRow
from models.db.tables import SCENE
from models.domain.errors import DomainError
from models.domain.lifecycle import SceneStatus
from models.writes.work import Ticket
from providers.port import Failure
from tests.support.claiming import claim_ticket
from tests.support.client import Client, Json
from tests.support.server_app import App

FILES = ("output", "poster", "preview", "original")
CLIP = {name: {"key": f"clip/{name}", "content_type": "video/mp4"} for name in FILES}
LEASE = timedelta(minutes=5)


class RandomChanges:
    """Makes changes with the rights of `client`, the owner of the jobs, on a server that renders nothing itself."""

    def __init__(self, app: App, client: Client, chance: random.Random, jobs: int = 4) -> None:
        self._app = app
        self._client = client
        self._random = chance
        self._most_jobs = jobs
        self._claims: list[Claim] = []
        self._takes: list[str] = []
        self._has_deleted = False
        self.jobs: list[str] = []
        self.scenes: list[str] = []

    async def step(self) -> str:
        """Make one change, or try to: it may be refused. Return its name."""
        if len(self.jobs) < 2:
            return await self._new_job()
        choices: list[tuple[int, Callable[[], Awaitable[str]]]] = [
            (1, self._new_job),
            (8, self._mutation),
            (9, self._render),
            (3, self._purge),
        ]
        weights = [weight for weight, _ in choices]
        (chosen,) = self._random.choices([each for _, each in choices], weights)
        return await chosen()

    async def _new_job(self) -> str:
        if len(self.jobs) >= self._most_jobs:
            await self._mutate("deleteJob", jobId=self._random.choice(self.jobs))
            return "deleteJob"
        scenes = [self._new_scene() for _ in range(self._random.randint(1, 4))]
        provider = self._random.choice(["external", "scripted", "scripted"])
        start = self._random.random() < 0.6
        payload = await self._client.mutate(
            "createJob",
            "job { id scenes { nodes { id takes { id } } } }",
            title=f"Job {len(self.jobs)}",
            scenes=scenes,
            provider=provider,
            start=start,
        )
        self.jobs.append(payload["job"]["id"])
        self._note(payload["job"]["scenes"]["nodes"])
        return "createJob"

    def _new_scene(self) -> Json:
        return {"prompt": f"prompt {self._random.randint(0, 9)}", "title": self._random.choice([None, "A", "B"])}

    def _settings(self) -> Json | None:
        choice = self._random.choice
        models = ["scripted/plain", "scripted/picky", None]
        values: Json = {"seed": choice([None, 1, 2]), "aspectRatio": choice(["16:9", "1:1"]), "model": choice(models)}
        return choice([None, {name: value for name, value in values.items() if choice([True, False])}])

    def _inputs(self) -> list[Json] | None:
        return self._random.choice([None, [{"role": "FIRST_FRAME", "takeId": self._random.choice(self._takes)}]])

    async def _mutation(self) -> str:
        choice = self._random.choice
        job_id, scene_id = choice(self.jobs), choice(self.scenes)
        job: Json = {"jobId": job_id}
        scene: Json = {"sceneId": scene_id}
        (name, fields) = choice(
            [
                ("updateJob", job | {"title": f"Title {self._random.randint(0, 99)}"}),
                ("updateJob", job | {"metadata": {"a": self._random.random()}}),
                ("updateJob", job | {"settings": self._settings()}),
                ("startJob", job),
                ("cancelJob", job),
                ("deleteJob", job),
                ("restoreJob", job),
                ("restoreJob", job),
                ("addScene", job | {"scene": self._new_scene()}),
                ("updateScene", scene | {"title": f"Title {self._random.randint(0, 99)}"}),
                ("updateScene", scene | {"prompt": f"prompt {self._random.randint(0, 99)}"}),
                ("updateScene", scene | {"settings": self._settings()}),
                ("updateScene", scene | {"inputs": self._inputs()}),
                ("updateScene", scene | {"status": "PROCESSING", "percentage": self._random.randint(1, 60)}),
                ("updateScene", scene | {"percentage": self._random.randint(1, 99)}),
                ("updateScene", scene | {"percentage": self._random.randint(1, 99)}),
                ("updateScene", scene | {"status": "COMPLETED", "outputUrl": "https://example.org/a.mp4"}),
                ("updateScene", scene | {"status": "FAILED", "failure": {"code": "E", "message": "m"}}),
                ("moveScene", scene | {"position": self._random.randint(0, 3)}),
                ("deleteScene", scene),
                ("restoreScene", scene),
                ("cancelScene", scene),
                ("regenerateScene", scene),
                ("regenerateScene", scene | {"settings": self._settings()}),
                ("selectTake", {"takeId": choice(self._takes)}),
            ]
        )
        await self._mutate(name, **fields)
        return name

    async def _mutate(self, name: str, **fields: Any) -> bool:
        """Send a mutation; return whether it was accepted."""
        selection = "job { id scenes(includeDeleted: true) { nodes { id takes { id } } } }"
        payload = await self._client.mutate(name, f"{selection} errors {{ code }}", **fields)
        if payload["job"] is not None:
            self._note(payload["job"]["scenes"]["nodes"])
        return not payload["errors"]

    def _note(self, scenes: list[Json]) -> None:
        self.scenes += [each["id"] for each in scenes if each["id"] not in self.scenes]
        takes = [take["id"] for each in scenes for take in each["takes"]]
        self._takes += [each for each in takes if each not in self._takes]

    async def _render(self) -> str:
        """Claim a scene, or write something of a render that has claimed one, perhaps long ago."""
        store = self._app.container.store
        if not self._claims or self._random.random() < 0.3:
            return await self._claim()
        held = self._random.choice(self._claims[-3:])
        name = self._random.choice([*["tick"] * 5, "frame", "frame", "heartbeat", "submitted", "completed", "failed"])
        try:
            match name:
                case "tick" | "frame":
                    value: Any = (
                        {"percentage": self._random.uniform(0, 99)}
                        if name == "tick"
                        else {"frame": self._random.randint(1, 99)}
                    )
                    async with store.write() as connection:
                        await scene_progress.advance(connection, held.scene_id, held.take_number, held.run, **value)
                case "heartbeat":
                    await claims.heartbeat(store, held, LEASE)
                case "submitted":
                    await claims.submitted(store, held, f"order {self._random.randint(0, 9)}")
                case "completed":
                    made = {"settings": {"seed": self._random.randint(3, 9)}, "made": {"ignored": ["audio"]}}
                    await claims.completed(store, held, CLIP | self._random.choice([{}, made]))
                case _:
                    failure = Failure("BUSY", "Try again.", retryable=self._random.random() < 0.7)
                    await claims.failed(store, held, failure, backoff_seconds=0)
        except (Fenced, DomainError):
            return f"{name} fenced"
        return name

    async def _claim(self) -> str:
        store = self._app.container.store
        async with store.read() as connection:
            rows = await connection.execute(SCENE_SELECT.where(SCENE.c.status != SceneStatus.COMPLETED))
            waiting = [SceneRow._make(row) for row in rows]
        if not waiting:
            return "nothing to claim"
        scene = self._random.choice(waiting)
        ticket = Ticket(scene.provider, scene.job_id, scene.id, scene.take_number)
        try:
            held = await claim_ticket(store, ticket, self._random.choice(["one", "two"]), timedelta(0))
        except Snooze:
            held = None
        if held is not None:
            self._claims.append(held)
        return "claim"

    async def _purge(self) -> str:
        """Remove all deleted scenes, old events and perhaps deleted jobs, as after the recovery window.

        Every other time a scene is deleted instead, so that there is one to remove.
        """
        if not self._has_deleted:
            for scene_id in self._random.sample(self.scenes, len(self.scenes)):
                if await self._mutate("deleteScene", sceneId=scene_id):
                    self._has_deleted = True
                    break
            return "deleteScene"
        self._has_deleted = False
        store = self._app.container.store
        with _later(timedelta(days=30)):
            await purge.remove_scenes(store)
            if self._random.random() < 0.5:
                await purge.remove_jobs(store)
            await retention.prune(store, Retention(2, timedelta(0)))
        return "purge"


@contextmanager
def _later(by: timedelta) -> Generator[None]:
    """Make the clock of the database be ahead."""
    current = clock.current

    async def ahead(connection: Any) -> datetime:
        return await current(connection) + by

    with patch.object(clock, "current", ahead):
        yield
