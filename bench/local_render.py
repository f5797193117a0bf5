"""Cost of a local render: CPU seconds of a clip, by its settings too, and the latency of the event loop meanwhile.

    .venv/bin/python -m bench.local_render

Lateness is how much later than requested a 5 ms sleep returns; a request waits as long.
"""

import asyncio
import resource
import time
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory

from providers.catalogue import NO_SETTINGS, Resolution, Settings
from providers.local import LocalProvider
from providers.port import Order

WIDTH, HEIGHT, CLIP_SECONDS = 1280, 720, 5.0
TICK_SECONDS = 0.005
IDLE_SECONDS = 3.0
KINDS = {
    "plain": Settings(),
    "sound": Settings(audio=True),
    "P360": Settings(resolution=Resolution.P360),
    "P1080": Settings(resolution=Resolution.P1080),
    "P2160": Settings(resolution=Resolution.P2160),
}


async def main() -> None:
    """Measure idle, one render and two renders, one after another; then one render of each kind."""
    print(f"a clip of {CLIP_SECONDS:g} s at {WIDTH}x{HEIGHT}")
    print(f"{'renders':>8} {'wall s':>8} {'CPU s each':>11} {'late p50 ms':>12} {'p99 ms':>8} {'max ms':>8}")
    for renders in (0, 1, 2, 0, 1, 2):
        await measure(renders)
    for kind, settings in KINDS.items():
        before = child_cpu()
        await render(1, settings)
        print(f"{kind:>8} {child_cpu() - before:20.2f}")


async def measure(renders: int) -> None:
    """Print one row of the table."""
    lateness: list[float] = []
    watch = asyncio.create_task(watch_loop(lateness))
    before, started = child_cpu(), time.perf_counter()
    if renders:
        await asyncio.gather(*(render(number) for number in range(1, renders + 1)))
    else:
        await asyncio.sleep(IDLE_SECONDS)
    wall, cpu = time.perf_counter() - started, child_cpu() - before
    watch.cancel()
    each = f"{cpu / renders:11.2f}" if renders else f"{'-':>11}"
    late = sorted(1000 * seconds for seconds in lateness)
    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
    print(f"{renders:8} {wall:8.2f} {each} {p50:12.2f} {p99:8.2f} {late[-1]:8.2f}")


async def watch_loop(lateness: list[float]) -> None:
    """Record the lateness of each tick until canceled."""
    while True:
        due = time.perf_counter() + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        lateness.append(time.perf_counter() - due)


async def render(number: int, settings: Settings = NO_SETTINGS) -> None:
    """Render one clip."""
    with TemporaryDirectory() as folder:
        order = Order(
            key=f"bench_{number}",
            number=number,
            prompt="A lone lighthouse on a rocky coast at golden hour, waves crashing, slow aerial push-in",
            title="The lighthouse at dusk",
            duration_seconds=CLIP_SECONDS,
            metadata={},
            workdir=Path(folder),
            settings=settings,
        )
        provider = LocalProvider(WIDTH, HEIGHT)
        async with aclosing(provider.follow(order, await provider.submit(order))) as steps:
            async for _ in steps:
                pass


def child_cpu() -> float:
    """Return the CPU seconds of all child processes that were reaped."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    asyncio.run(main())
