"""Conformance suite of the queue port for assemblies, run on each implementation."""

import asyncio

import pytest

from coordinator.queue.port import Snooze
from models.writes.change import Assembly, Ticket
from tests.support.recording_handler import RecordingHandler, running
from tests.support.tickets import Open, at_once, tickets
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = pytest.mark.both_databases


class TestAssemblies:
    """Assemblies run in a lane of their own, beside the renders."""

    async def test_assemblies_run_one_at_a_time_beside_a_full_lane_of_renders(self, open_queue: Open) -> None:
        """The renders reach their limit meanwhile, and each assembly runs once."""
        joined: list[Assembly] = []
        all_joined, joining = asyncio.Event(), asyncio.Lock()

        async def render(_ticket: Ticket) -> None:
            await all_joined.wait()

        async def join(assembly: Assembly) -> None:
            assert not joining.locked()
            async with joining:
                await asyncio.sleep(0.02)
                joined.append(assembly)
            if len(joined) == 3:
                all_joined.set()

        handler = RecordingHandler(render)
        assemblies = [Assembly("job_1", cut) for cut in (3, 5, 8)]
        async with open_queue(at_once(2)) as queue:
            await queue.enqueue([*tickets(4), *assemblies, *assemblies])
            async with running(queue, handler, join):
                await handler.until(lambda: len(handler.running) == 2)
                await all_joined.wait()
                await handler.until(lambda: len(handler.given) == 4 and not handler.running)
        assert handler.most["all"] == 2
        assert sorted(joined) == assemblies

    async def test_long_assembly_stops_no_other(self, open_queue: Open) -> None:
        """Beside one that takes long, the others run one after the other; a second long one waits for the first."""
        begun: list[Assembly] = []
        release, all_short = asyncio.Event(), asyncio.Event()

        async def join(assembly: Assembly) -> None:
            begun.append(assembly)
            if assembly.long:
                await release.wait()
            elif sum(not each.long for each in begun) == len(short):
                all_short.set()

        long = [Assembly("job_1", version, long=True) for version in (1, 2)]
        short = [Assembly("job_2", version) for version in range(1, 5)]
        async with open_queue(at_once(1)) as queue:
            await queue.enqueue(long)
            async with running(queue, RecordingHandler(), join), asyncio.timeout(TIMEOUT_SECONDS):
                await eventually(lambda: begun == long[:1])
                await queue.enqueue(short)
                await all_short.wait()
                assert [each for each in begun if each.long] == long[:1]
                release.set()
                await eventually(lambda: [each for each in begun if each.long] == long)

    @pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
    async def test_assembly_with_the_highest_priority_goes_first(self, open_queue: Open, long: bool) -> None:
        """First in, first out among equal priorities."""
        begun: list[int] = []
        hold = asyncio.Event()

        async def join(assembly: Assembly) -> None:
            begun.append(assembly.composition_version)
            await hold.wait()

        def of(version: int, priority: int) -> Assembly:
            return Assembly("job_1", version, priority=priority, long=long)

        async with open_queue(at_once(1)) as queue:
            await queue.enqueue([of(1, -1)])
            async with running(queue, RecordingHandler(), join), asyncio.timeout(TIMEOUT_SECONDS):
                await eventually(lambda: begun == [1])
                await queue.enqueue([of(2, -2_000_000_000), of(3, -30), of(4, -7), of(5, -30)])
                hold.set()
                await eventually(lambda: len(begun) == 5)
        assert begun == [1, 4, 3, 5, 2]

    async def test_snoozed_assembly_is_handled_again(self, open_queue: Open) -> None:
        """After the delay of the Snooze."""
        tries = 0
        done = asyncio.Event()

        async def join(_assembly: Assembly) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise Snooze(0.05)
            done.set()

        async with open_queue(at_once(1)) as queue:
            await queue.enqueue([Assembly("job_1", 3)])
            async with running(queue, RecordingHandler(), join), asyncio.timeout(TIMEOUT_SECONDS):
                await done.wait()
        assert tries == 2

    async def test_assembly_waits_for_a_run_with_an_assembler(self, open_queue: Open) -> None:
        """A run without an assembler leaves it in the queue."""
        handler, done = RecordingHandler(), asyncio.Event()

        async def join(_assembly: Assembly) -> None:
            done.set()

        async with open_queue(at_once(1)) as queue:
            await queue.enqueue([Assembly("job_1", 3)])
            async with running(queue, handler):
                await handler.until_last(queue)
            assert not done.is_set()
            async with running(queue, handler, join), asyncio.timeout(TIMEOUT_SECONDS):
                await done.wait()
