"""Writers: each changes jobs at random, one change after another, and writes down what the server acknowledged."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.chaos.api import Api, Lost, Unsent
from tests.chaos.board import Board, Topic
from tests.chaos.ledger import Claim, Ledger
from tests.chaos.violations import Kind, Violation
from tests.chaos.wishes import MOST_SCENES, View, Wish, choose, new_job

Json = dict[str, Any]

VIEW = """query($id: ID!) {
    job(id: $id) { version status provider scenes { nodes { id status version position } } }
}"""
# What races between writers explain; anything else means that something acknowledged is not there.
REFUSALS = frozenset(
    {
        "VALIDATION_FAILED",
        "INVALID_TRANSITION",
        "NOT_REGENERABLE",
        "JOB_PROCESSING",
        "ALREADY_DELETED",
        "STALE_VERSION",
        "LIMIT_EXCEEDED",
    }
)
AGAIN_SECONDS = 0.1
# How often the client does not wait for an answer: it can find out what was done only where it gave a key.
HANG_UP, HANG_UP_WITH_KEY = 0.03, 0.3
# Long enough that a message about such a job soon fills the buffers of a subscriber that does not read.
PAD_CHARACTERS = 12_000


class Writer:
    """One of those who change jobs."""

    def __init__(self, name: str, url: str, board: Board, ledger: Ledger) -> None:
        self._name = name
        self._board = board
        self._ledger = ledger
        self._chance = board.chance(name)
        self._api = Api(url, self._chance)
        self._number = 0

    async def create(self, provider: str, *, hot: bool) -> Topic:
        """Make a job, and let it take part."""
        pad = PAD_CHARACTERS if hot else 0
        wish = new_job(self._chance, self._key(), provider, self._chance.randint(1, MOST_SCENES - 2), pad)
        job = await self._do(wish, None)
        assert job is not None
        topic = Topic(job["id"], provider, hot)
        self._board.add(topic)
        self._board.acknowledge(topic.job_id, job["version"])
        return topic

    async def write(self, until: asyncio.Event, pick: Callable[[], Topic], pause_seconds: float) -> None:
        """Change what is picked, with pauses, until told to stop."""
        while not until.is_set():
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * pause_seconds)
            topic = pick()
            view = await self._look(topic)
            if view is not None:
                await self._change(choose(self._chance, view, self._key(), topic.provider), view)

    async def cancel(self, topic: Topic) -> None:
        """Bring a job to rest, unless it is."""
        while (view := await self._look(topic)) is None or view.status == "PROCESSING":
            if view is not None:
                fields = {"jobId": topic.job_id, "idempotencyKey": self._key()}
                await self._change(Wish("cancelJob", fields, "JOB_CANCELED", sure=False), view)

    async def version(self, topic: Topic) -> int:
        """The version of a job, as a query tells it."""
        while (view := await self._look(topic)) is None:
            pass
        return view.version

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _look(self, topic: Topic) -> View | None:
        """The job as it is now; None when nobody answers."""
        try:
            job = (await self._api.ask(VIEW, {"id": topic.job_id}))["job"]
        except (Unsent, Lost):
            await asyncio.sleep(AGAIN_SECONDS)
            return None
        if job is None:
            raise Violation(Kind.LOST, f"{topic.job_id} was created and is not there")
        return View(topic.job_id, job["version"], job["status"], job["scenes"]["nodes"])

    async def _change(self, wish: Wish, view: View) -> None:
        job = await self._do(wish, view)
        if job is not None:
            self._board.acknowledge(view.id, job["version"])

    async def _do(self, wish: Wish, view: View | None) -> Json | None:
        """Ask for it, again and again where a key makes that harmless; answers the job, or None."""
        asked, keyed = 0, "idempotencyKey" in wish.input
        hang_up = HANG_UP_WITH_KEY if keyed else HANG_UP
        while True:
            try:
                payload = (await self._api.ask(wish.document, {"input": wish.input}, hang_up=hang_up))[wish.mutation]
                break
            except Unsent:
                await asyncio.sleep(AGAIN_SECONDS)
            except Lost:
                asked += 1
                self._board.amounts["answers lost"] += 1
                if not keyed:
                    self._enter(wish, view, None)
                    return None
        if payload["errors"]:
            self._refused(wish, payload["errors"])
            return None
        self._board.amounts["mutations"] += 1
        self._board.amounts["retries with a key"] += asked
        self._enter(wish, view, payload)
        return payload["job"]

    def _refused(self, wish: Wish, errors: list[Json]) -> None:
        codes = {error["code"] for error in errors}
        if not codes <= REFUSALS:
            raise Violation(Kind.LOST, f"{wish} was refused with {errors}")
        self._board.amounts["refusals"] += 1

    def _enter(self, wish: Wish, view: View | None, payload: Json | None) -> None:
        """Write down what the log must hold, or may hold when the answer was lost."""
        if not wish.deed:
            return
        after, upto = 0 if view is None else view.version, None
        job_id, scene_id = "" if view is None else view.id, wish.scene_id
        if payload is not None:
            job_id, upto = payload["job"]["id"], payload["job"]["version"]
            if wish.mutation == "addScene":
                scene_id = payload["scene"]["id"]
        if wish.exactly is not None:
            after = wish.exactly - 1
            upto = None if upto is None else wish.exactly
        sure = wish.sure and payload is not None
        self._ledger.enter(Claim(job_id, scene_id, wish.deed, wish.value, after, upto, sure))

    def _key(self) -> str:
        self._number += 1
        return f"{self._name}-{self._number}"
