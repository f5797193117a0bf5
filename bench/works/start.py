"""The start of the server: CPU time and memory, and the CPU time of an idle server."""

import time
from dataclasses import dataclass, field
from statistics import median

from bench import machine
from bench.contenders import MERCURIUS, OURS, STRAWBERRY, YOGA
from bench.context import Context
from bench.measure import Figure
from bench.results import Result
from bench.server import Launch

CPU_SECONDS = 1.5
MEGABYTES = 110.0
IDLE_MS = 3.0
SETTLED_SECONDS = 2.0


@dataclass
class _Starts:
    """What the starts of one server took, and what it used while it was idle."""

    launch: Launch
    seconds: list[float] = field(default_factory=list[float])
    cpu_seconds: list[float] = field(default_factory=list[float])
    megabytes: list[float] = field(default_factory=list[float])
    idle_ms: list[float] = field(default_factory=list[float])

    def measure(self, context: Context) -> None:
        """Start the server once, and leave it idle for a while."""
        began = time.monotonic()
        with context.running([self.launch]) as (server,):
            self.seconds.append(time.monotonic() - began)
            self.cpu_seconds.append(server.start_cpu_seconds)
            time.sleep(SETTLED_SECONDS)
            self.megabytes.append(server.resident_bytes / 2**20)
            before, at = machine.running_seconds(server.pid), time.monotonic()
            time.sleep(context.scale.idle_seconds)
            used = machine.running_seconds(server.pid) - before
            self.idle_ms.append(used * 1000 / (time.monotonic() - at))


def start(context: Context) -> list[Result]:
    """Measure warm starts of all servers in turn: the first one of each is not counted."""
    launches = [
        *context.scenewire(context.sqlite),
        *context.chosen_peers([STRAWBERRY, MERCURIUS, YOGA], context.sqlite),
    ]
    for launch in launches:
        with context.running([launch]):
            pass
    measured = [_Starts(launch) for launch in launches]
    for _ in range(context.scale.rounds):
        for each in measured:
            each.measure(context)
    result = Result("start", "starts/s")
    for each in measured:
        name, used, memory, idle = each.launch.name, *map(median, (each.cpu_seconds, each.megabytes, each.idle_ms))
        result.figures[name] = Figure(1 / median(each.seconds), used * 1000, used / median(each.seconds))
        result.notes.append(f"{name}: {memory:.0f} MB, idle {idle:.1f} ms CPU a second")
        if name == OURS:
            result.at_most("CPU", used, CPU_SECONDS, " s")
            result.at_most("memory when idle", memory, MEGABYTES, " MB")
            result.at_most("CPU when idle, a second", idle, IDLE_MS, " ms")
    return [result]
