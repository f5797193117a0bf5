"""The metrics of operations and subscriptions. They are counted in plain numbers, and formatted by a scrape.

Labels are bounded: an operation has a name of its own only while there are few of them, because clients choose names.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final, Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from execution.counters import Paths
from server.telemetry.histogram import Histogram
from server.transports.errors import TransportCode
from server.transports.observation.port import Answered, Stream, StreamEnd

MOST_NAMES: Final = 100
LONGEST_NAME: Final = 100
"""The number of distinguished names of operations, and their characters; all others are counted as OTHER."""

OTHER: Final = "other"
UNNAMED: Final = "unnamed"
LAG_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)


class Gauges(Protocol):
    """What is counted elsewhere."""

    @property
    def open_connections(self) -> int:
        """Websockets and event streams."""
        ...

    @property
    def refused(self) -> Counter[str]:
        """What exceeded a rate limit, by limit."""
        ...


class _Operations:
    """The operations of one kind and name."""

    __slots__ = ("cost", "outcomes", "seconds")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.cost = 0
        self.seconds = Histogram()


class RequestMetrics(Collector):
    """Counts requests, operations and streams."""

    def __init__(self, gauges: Gauges, paths: Paths | None, names: Collection[str] = ()) -> None:
        """`names` are those of trusted documents, which are always distinguished."""
        self._gauges = gauges
        self._paths = paths
        self._trusted = frozenset(names)
        self._names: set[str] = set()
        self._operations: dict[tuple[str, str], _Operations] = {}
        self._open: Counter[str] = Counter()
        self._streams: Counter[tuple[str, str]] = Counter()
        self._messages = 0
        self._lag = Histogram(LAG_SECONDS)

    def answered(self, answered: Answered) -> None:
        """Count a query or a mutation, or an operation that was refused."""
        name, codes = answered.name, answered.codes
        if name is None:
            name = UNNAMED
        elif name not in self._names:
            name = self._limited_name(name, is_valid=TransportCode.VALIDATION_FAILED not in codes)
        key = (answered.kind or "unknown", name)
        operations = self._operations.get(key)
        if operations is None:
            operations = self._operations[key] = _Operations()
        outcome = outcome_of(codes) if codes else "ok"
        operations.outcomes[outcome] = operations.outcomes.get(outcome, 0) + 1
        operations.cost += answered.cost or 0
        operations.seconds.observe(answered.seconds)

    def stream_started(self, stream: Stream) -> None:
        """Count a subscription."""
        self._open[self._limited_name(stream.name)] += 1

    def stream_ended(self, stream: Stream, end: StreamEnd) -> None:
        """Count the end of a subscription."""
        name = self._limited_name(stream.name)
        self._open[name] -= 1
        self._streams[name, outcome_of(end.codes) if end.codes else "ok"] += 1

    def sent(self, messages: int) -> None:
        """Count messages of subscriptions."""
        self._messages += messages

    def delivered(self, occurred_at: datetime, messages: int) -> None:
        """Count messages by the time since their event. A clock that is behind the database's counts as no time."""
        self._lag.observe(max(0.0, time.time() - occurred_at.timestamp()), messages)

    def collect(self) -> Iterator[Metric]:
        """Yield the values."""
        yield from self._collect_operations()
        yield from self._collect_streams()
        yield from self._collect_paths()
        refused = CounterMetricFamily(
            "scenewire_rate_limited", "What exceeded a rate limit, by limit.", labels=["limit"]
        )
        for limit, count in sorted(self._gauges.refused.items()):
            refused.add_metric([limit], count)
        yield refused

    def _limited_name(self, name: str | None, *, is_valid: bool = True) -> str:
        """Return the label for a name. That of an invalid document takes no place, nor does a long one."""
        if name is None:
            return UNNAMED
        if name in self._names or name in self._trusted:
            return name
        if not is_valid or len(self._names) >= MOST_NAMES or len(name) > LONGEST_NAME:
            return OTHER
        self._names.add(name)
        return name

    def _collect_operations(self) -> Iterator[Metric]:
        labels = ["kind", "name"]
        answered = CounterMetricFamily(
            "scenewire_operations",
            "Queries and mutations that were answered, and operations that were refused.",
            labels=[*labels, "outcome"],
        )
        seconds = HistogramMetricFamily(
            "scenewire_operation_seconds", "Seconds from the admission of an operation to its answer.", labels=labels
        )
        cost = CounterMetricFamily("scenewire_operation_cost", "The cost of operations, by the limits.", labels=labels)
        for key, operations in sorted(self._operations.items()):
            for outcome, count in sorted(operations.outcomes.items()):
                answered.add_metric([*key, outcome], count)
            seconds.add_metric(key, operations.seconds.buckets, operations.seconds.total)
            cost.add_metric(key, operations.cost)
        yield from (answered, seconds, cost)

    def _collect_streams(self) -> Iterator[Metric]:
        is_open = GaugeMetricFamily("scenewire_subscriptions_open", "Subscriptions that are open.", labels=["name"])
        for name, count in sorted(self._open.items()):
            is_open.add_metric([name], count)
        ended = CounterMetricFamily(
            "scenewire_subscriptions_ended", "Subscriptions that have ended.", labels=["name", "outcome"]
        )
        for key, count in sorted(self._streams.items()):
            ended.add_metric(key, count)
        yield from (is_open, ended)
        yield GaugeMetricFamily(
            "scenewire_connections_open", "Websockets and event streams that are open.", self._gauges.open_connections
        )
        yield CounterMetricFamily(
            "scenewire_messages_sent", "Messages of subscriptions that were handed to sockets.", self._messages
        )
        lag = HistogramMetricFamily(
            "scenewire_delivery_lag_seconds", "Seconds from an event to each message that shows it, in shared streams."
        )
        lag.add_metric([], self._lag.buckets, self._lag.total)
        yield lag

    def _collect_paths(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "scenewire_answers",
            "Answers and messages by what made them: a compiled plan, or graphql-core for a reason.",
            labels=["path", "reason"],
        )
        if self._paths is not None:
            answers.add_metric(["compiled", ""], self._paths.compiled)
            for reason, count in sorted(self._paths.left.items()):
                answers.add_metric(["graphql-core", reason], count)
        yield answers


def outcome_of(codes: Collection[str]) -> str:
    """Return how an operation with errors went: failed by itself, limited, canceled by its client, or refused."""
    for code, outcome in (("INTERNAL", "failed"), ("UNAVAILABLE", "unavailable"), ("RATE_LIMITED", "limited")):
        if code in codes:
            return outcome
    return "canceled" if "CANCELED" in codes else "refused"
