"""Run load generators against servers in interleaved rounds, and keep the medians."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from bench import machine
from bench.data import ROOT
from bench.server import Server, Target

Json = dict[str, Any]


class LoadFailed(Exception):
    """A load generator ended early, or the server left requests without a good answer."""


@dataclass(frozen=True)
class Figure:
    """What one server did: units a second, CPU milliseconds a unit, the share of its core, and times of answers."""

    rate: float
    cpu_ms: float
    share: float
    p99_ms: float = 0.0
    answered: float = 0.0

    @staticmethod
    def median_of(rounds: Sequence["Figure"]) -> "Figure":
        """Return the median of each value."""
        return Figure(*(median(values) for values in zip(*(_values(each) for each in rounds), strict=True)))


Rounds = dict[str, list[Figure]]
"""What each server did in each of some interleaved rounds, by its name."""


def _values(figure: Figure) -> tuple[float, ...]:
    return figure.rate, figure.cpu_ms, figure.share, figure.p99_ms, figure.answered


@dataclass(frozen=True)
class Requests:
    """A load of HTTP requests: `bodies` in turn over `connections`, for `seconds` or `limit` requests.

    A body that is None is a GET of `path`, by default the path of the server's API. `first` is the index of the body
    with which the load begins.
    """

    bodies: Sequence[Json | None]
    connections: int = 8
    seconds: float = 2.0
    rate: float = 0.0
    limit: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    path: str = ""
    first: int = 0

    def specification(self, server: Target) -> Json:
        """Return the load as `bench.load.requests` reads it."""
        return {
            "port": server.port,
            "path": self.path or server.path,
            "bodies": self.bodies,
            "headers": self.headers,
            "connections": self.connections,
            "seconds": self.seconds,
            "rate": self.rate,
            "limit": self.limit,
            "first": self.first,
        }

    def start(self, server: Target) -> "Load":
        """Start the load."""
        return Load("bench.load.requests", self.specification(server))

    def run(self, server: Server) -> Figure:
        """Send the load, and return what the server did. Raises LoadFailed for a request without a good answer."""
        cpu = server.cpu_seconds
        result = self.start(server).last_answer()
        cpu = server.cpu_seconds - cpu
        return figure_of(result, cpu, server.name)


def figure_of(result: Json, cpu_seconds: float, name: str) -> Figure:
    """Return the figure of a load of requests."""
    answered, times = int(result["answered"]), result["milliseconds"]
    if result["failed"] or not answered:
        raise LoadFailed(f"{name} left {result['failed']} of {answered} requests without a good answer")
    seconds = float(result["seconds"])
    return Figure(
        rate=answered / seconds,
        cpu_ms=cpu_seconds * 1000 / answered,
        share=cpu_seconds / seconds,
        p99_ms=times[len(times) * 99 // 100],
        answered=answered,
    )


class Load:
    """A load generator in a process on the core of the load. Commands and answers are lines of JSON."""

    def __init__(self, module: str, specification: Json | None = None) -> None:
        self._module = module
        self._process = subprocess.Popen(
            machine.pinned([sys.executable, "-m", module], serves=False),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if specification is not None:
            self.send(specification)

    def send(self, command: Json) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Return the next answer. Raises LoadFailed when the generator ended without one."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise LoadFailed(f"{self._module} ended with status {self._process.returncode}")
        return json.loads(line)

    def stop(self) -> None:
        """End the generator."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    def last_answer(self) -> Any:
        """Return the next answer, and end the generator."""
        answer = self.answer()
        self.stop()
        return answer


def interleaved(loads: Mapping[Server, Requests], rounds: int) -> Rounds:
    """Load each server in turn, after one short warm-up each. Return the rounds.

    Each load of a server goes on with the bodies after those of the one before: a change that is sent again changes
    nothing.
    """
    sent = dict.fromkeys(loads, 0)
    figures: Rounds = {server.name: [] for server in loads}
    for number in range(rounds + 1):
        for server, load in loads.items():
            seconds = load.seconds if number else min(1.0, load.seconds)
            figure = replace(load, seconds=seconds, first=sent[server] % len(load.bodies)).run(server)
            sent[server] += int(figure.answered)
            if number:
                figures[server.name].append(figure)
    return figures
