"""Streams: the subscribers of one job."""

from bench import contenders, data
from bench.answers import ask
from bench.contenders import LIMIT, MERCURIUS, OURS, STRAWBERRY, YOGA
from bench.context import Context
from bench.measure import Figure
from bench.queries import EVENTS, ONE_JOB, STREAMS, body
from bench.results import Result
from bench.server import Launch, Server
from bench.streams import Stream, answer_seconds, check_messages, delays, last_arrival, write

# Between two changes of the paced part, in which the delays are measured.
PAUSE_SECONDS = 0.15
# Changes without a pause, for each paced one: CPU time is counted in hundredths of a second.
FAST = 5
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
    sample = ""
    for launch in _servers(context):
        with context.running([launch]) as (server,):
            sample = _fan_out(context, server, query, result, sample)
    result.compare(LIMIT, 0.7)
    result.compare(YOGA, 4.0)
    result.compare(MERCURIUS, 4.0)
    return result


def _fan_out(context: Context, server: Server, query: str, result: Result, sample: str) -> str:
    """Add the figure of one server, and for ours the delays. Compare its messages with `sample`, and return that."""
    scene, events = [data.scene_id(0)], context.scale.events
    write(server, scene, 2)
    alone = write(server, scene, events, PAUSE_SECONDS)
    cpu = server.cpu_seconds
    version = 1 + 2 + len(alone) + len(write(server, scene, events))
    writing = server.cpu_seconds - cpu
    stream = Stream(server, query, [0] * context.scale.subscribers)
    try:
        before = version
        beside = write(server, scene, events, PAUSE_SECONDS)
        version += len(beside)
        paced = stream.wait_for(version)
        check_messages(sample or paced["sample"], paced["sample"], server.name)
        cpu = server.cpu_seconds
        written = write(server, scene, FAST * events)
        fast = stream.wait_for(version + len(written))
        cpu = server.cpu_seconds - cpu
    finally:
        stream.stop()
    deliveries = int(fast["messages"]) - int(paced["messages"])
    seconds = last_arrival(fast) - written[0]["sent"]
    late = delays(paced, beside, before, stream.count)
    result.figures[server.name] = Figure(
        rate=deliveries / seconds,
        cpu_ms=cpu * 1000 / deliveries,
        share=cpu / seconds,
        p50_ms=late[len(late) // 2],
        p99_ms=late[len(late) * 99 // 100],
    )
    net = (cpu - writing * len(written) / events) * 1e6 / deliveries
    result.notes.append(f"{server.name}: {net:.1f} µs CPU a delivery without the change itself")
    if server.name == OURS:
        result.at_most("p99 from commit to all", result.figures[OURS].p99_ms, LATE_MS, " ms")
        factor = answer_seconds(beside) / answer_seconds(alone)
        result.at_most("writer's answer, by that without subscribers", factor, ANSWER_FACTOR)
    return sample or paced["sample"]


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
        result.figures[server.name] = Figure.median_of(rounds)
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
        result.figures[server.name] = Figure.median_of(rounds)
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
