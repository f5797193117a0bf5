"""The start of the server: CPU time and memory, and the CPU time of an idle server."""

import time
from statistics import median

from bench import machine
from bench.contenders import MERCURIUS, OURS, STRAWBERRY, YOGA
from bench.context import Context
from bench.measure import Figure
from bench.results import Result

CPU_SECONDS = 1.5
MEGABYTES = 110.0
IDLE_MS = 3.0
SETTLED_SECONDS = 2.0


def start(context: Context) -> list[Result]:
    """Measure warm starts: the first one of each server is not counted."""
    result = Result("start", "starts/s")
    launches = [
        *context.scenewire(context.sqlite),
        *context.chosen_peers([STRAWBERRY, MERCURIUS, YOGA], context.sqlite),
    ]
    for launch in launches:
        cpu: list[float] = []
        memory: list[float] = []
        idle: list[float] = []
        seconds: list[float] = []
        with context.running([launch]):
            pass
        for number in range(context.scale.rounds):
            began = time.monotonic()
            with context.running([launch]) as (server,):
                seconds.append(time.monotonic() - began)
                cpu.append(server.start_cpu_seconds)
                time.sleep(SETTLED_SECONDS)
                memory.append(server.resident_bytes / 2**20)
                if not number:
                    before, at = machine.running_seconds(server.pid), time.monotonic()
                    time.sleep(context.scale.idle_seconds)
                    used_idle = machine.running_seconds(server.pid) - before
                    idle.append(used_idle * 1000 / (time.monotonic() - at))
        used = median(cpu)
        result.figures[launch.name] = Figure(1 / median(seconds), used * 1000, used / median(seconds))
        result.notes.append(f"{launch.name}: {median(memory):.0f} MB, idle {median(idle):.1f} ms CPU a second")
        if launch.name == OURS:
            result.at_most("CPU", used, CPU_SECONDS, " s")
            result.at_most("memory when idle", median(memory), MEGABYTES, " MB")
            result.at_most("CPU when idle, a second", median(idle), IDLE_MS, " ms")
    return [result]
