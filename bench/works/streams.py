"""Streams: the subscribers of one job."""

from contextlib import ExitStack, closing
from statistics import median

from bench import contenders, data
from bench.answers import ask
from bench.contenders import LIMIT, MERCURIUS, OURS, STRAWBERRY, YOGA
from bench.context import Context, Scale
from bench.measure import Figure, Json
from bench.queries import EVENTS, ONE_JOB, STREAMS, body
from bench.results import Result
from bench.server import Launch, Server
from bench.streams import Stream, answer_seconds, check_messages, delays, last_arrival, write

# Between two changes of the paced part, in which the delays are measured.
PAUSE_SECONDS = 0.15
# Changes without a pause in a round, for each paced one: rounds of less than a second differ by a third.
FAST = 15
# Slow servers make fewer.
FAST_SECONDS = 2.0
# Changes of the paced part where only the answers of the servers are compared.
FEW = 3
JOINED_SECONDS = 1.5
LATE_MS = 40.0
ANSWER_FACTOR = 1.5
LIVE_AGAIN_SECONDS = 3.0


def _servers(context: Context) -> list[Launch]:
    return [
        *context.scenewire(context.sqlite),
        *context.chosen_peers([STRAWBERRY, YOGA, MERCURIUS], context.sqlite),
        contenders.limit("frames", context.sqlite()),
    ]


def one_job(context: Context) -> list[Result]:
    """Measure the fan-out of one job's changes, for each selection."""
    return [_one_selection(context, name, query) for name, query in STREAMS.items()]


def _one_selection(context: Context, name: str, query: str) -> Result:
    result = Result(f"{context.scale.subscribers:,} subscribers of one job, {name}", "deliveries/s")
    with context.running(_servers(context)) as servers, ExitStack() as open_sockets:
        all_watched: list[_Watched] = []
        for server in servers:
            # The delays of ours alone have a bar.
            paced = context.scale.events if server.name == OURS else FEW
            watched = open_sockets.enter_context(closing(_Watched(server, context.scale, query, paced)))
            watched.change_in_steps()
            all_watched.append(watched)
            check_messages(all_watched[0].sample, watched.sample, server.name)
        for number in range(context.scale.rounds):
            for watched in all_watched:
                if number and watched.server.name == OURS:
                    watched.change_in_steps()
                watched.change_fast()
    for watched in all_watched:
        server = watched.server
        result.add(server.name, watched.rounds)
        result.notes.append(f"{server.name}: {watched.net_us:.1f} µs CPU a delivery without the change itself")
        if server.name == OURS:
            result.at_most("p99 from commit to all", median(watched.late_ms), LATE_MS, " ms")
            answers = median(watched.answer_factors)
            result.at_most("writer's answer, by that without subscribers", answers, ANSWER_FACTOR)
    result.compare(LIMIT, 0.7)
    result.compare(YOGA, 4.0)
    result.compare(MERCURIUS, 4.0)
    return result


class _Watched:
    """A job of one server with its subscribers, and the changes that they receive."""

    def __init__(self, server: Server, scale: Scale, query: str, paced: int) -> None:
        """`paced`: how many changes are made with a pause after each."""
        self.server = server
        self.sample = ""
        """A message to one subscriber."""
        self._scenes, self._events, self._paced = [data.scene_id(0)], scale.events, paced
        write(server, self._scenes, 2)
        alone = write(server, self._scenes, self._paced, PAUSE_SECONDS)
        cpu = server.cpu_seconds
        fast = write(server, self._scenes, self._events)
        self._cpu_of_a_change = (server.cpu_seconds - cpu) / len(fast)
        self._version = 1 + 2 + len(alone) + len(fast)
        self._alone_seconds = answer_seconds(alone)
        self._stream = Stream(server, query, [0] * scale.subscribers)
        self._messages = 0
        self._cpu, self._changes, self._deliveries = 0.0, 0, 0
        self.rounds: list[Figure] = []
        self.late_ms: list[float] = []
        """The 99th percentile of the delays of each paced round."""
        self.answer_factors: list[float] = []
        """The times of an answer to the writer, by that of one without subscribers, of each paced round."""

    def close(self) -> None:
        """Close all sockets."""
        self._stream.stop()

    def change_in_steps(self) -> None:
        """Make changes with a pause after each, and measure the delays."""
        before = self._version
        beside = write(self.server, self._scenes, self._paced, PAUSE_SECONDS)
        arrived = self._arrived(len(beside))
        self.sample = arrived["sample"]
        late = delays(arrived, beside, before, self._stream.count)
        self.late_ms.append(late[len(late) * 99 // 100])
        self.answer_factors.append(answer_seconds(beside) / self._alone_seconds)

    def change_fast(self) -> None:
        """Make changes without a pause, and measure the rate and the CPU time."""
        cpu, before = self.server.cpu_seconds, self._messages
        written = write(self.server, self._scenes, FAST * self._events, seconds=FAST_SECONDS)
        arrived = self._arrived(len(written))
        cpu, deliveries = self.server.cpu_seconds - cpu, self._messages - before
        seconds = last_arrival(arrived) - written[0]["sent"]
        self.rounds.append(Figure(deliveries / seconds, cpu * 1000 / deliveries, cpu / seconds))
        self._cpu += cpu
        self._changes += len(written)
        self._deliveries += deliveries

    @property
    def net_us(self) -> float:
        """The CPU microseconds of a delivery, without those of the change that caused it."""
        return (self._cpu - self._cpu_of_a_change * self._changes) * 1e6 / self._deliveries

    def _arrived(self, changes: int) -> Json:
        """Wait until as many changes have arrived at all subscribers."""
        self._version += changes
        arrived = self._stream.wait_for(self._version)
        self._messages = int(arrived["messages"])
        return arrived


def joining(context: Context) -> list[Result]:
    """Measure how long many subscribers of one job take to join."""
    result = Result(f"{context.scale.subscribers:,} subscribers join", "joins/s")
    for launch in _servers(context):
        rounds: list[Figure] = []
        with context.running([launch]) as (server,):
            for _ in range(context.scale.rounds):
                cpu = server.cpu_seconds
                stream = Stream(server, EVENTS, [0] * context.scale.subscribers)
                cpu = server.cpu_seconds - cpu
                stream.stop()
                seconds = stream.joined_seconds
                rounds.append(Figure(stream.count / seconds, cpu * 1000 / stream.count, cpu / seconds))
        result.add(server.name, rounds)
    result.at_most("all joined", context.scale.subscribers / result.figures[OURS].rate, JOINED_SECONDS, " s")
    return [result]


def coming_back(context: Context) -> list[Result]:
    """Measure how long many clients take that replay the events they missed."""
    events, clients = context.scale.replayed, context.scale.subscribers
    result = Result(f"{clients:,} clients replay {events} events each", "events/s")
    for launch in context.scenewire(context.sqlite):
        with context.running([launch]) as (server,):
            write(server, [data.scene_id(0)], events)
            rounds = [_replay(server, events, clients) for _ in range(context.scale.rounds)]
        result.add(server.name, rounds)
    result.at_most("all live again", events * clients / result.figures[OURS].rate, LIVE_AGAIN_SECONDS, " s")
    return [result]


def _replay(server: Server, events: int, clients: int) -> Figure:
    """Measure one return of all clients; a change after it proves that they are live."""
    cpu = server.cpu_seconds
    version = int(ask(server, body(ONE_JOB, id=data.job_id(0)))["job"]["version"])
    stream = Stream(server, EVENTS, [0] * clients, after=version - events)
    try:
        seconds = last_arrival(stream.wait_for(version)) - stream.began
        cpu = server.cpu_seconds - cpu
        write(server, [data.scene_id(0)], 1)
        stream.wait_for(version + 1)
    finally:
        stream.stop()
    return Figure(events * clients / seconds, cpu * 1000 / (events * clients), cpu / seconds)
