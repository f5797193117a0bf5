"""Streams: many subscribers, each of a job of its own."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from bench import asyncpg_driver, contenders, data
from bench.contenders import LIMIT, OURS
from bench.context import Context
from bench.measure import Figure, Requests, figure_of
from bench.queries import EVENTS, UPDATE_SCENE, body
from bench.results import Result
from bench.server import Server
from bench.streams import Stream, last_arrival

CONNECTION_KB = 35.0
JOINED_SECONDS_OF_A_THOUSAND = 1.5
# Many renders report at once; one writer alone measures how fast a change is answered.
WRITERS = {1: "1 writer", 16: "16 writers"}
WRITING_SECONDS = 600.0
WARM_UP = 50
FIRST_VERSION = 2
INSTANTS, BETWEEN_SECONDS = 10, 0.1
IN_USE = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND state <> 'idle'"
)


def own_jobs(context: Context) -> list[Result]:
    """Measure one change of each job, each with one subscriber, by one writer and by several at once."""
    results: list[Result] = []
    for count in context.scale.own_jobs:
        of_writers = {
            writers: Result(f"{count:,} subscribers of a job each, {name}", "deliveries/s")
            for writers, name in WRITERS.items()
        }

        def database(jobs: int = count) -> str:
            return context.sqlite(jobs)

        with context.running([*context.scenewire(database), contenders.limit("frames", database())]) as servers:
            _each_job(servers, count, context.scale.rounds, of_writers)
        one, several = of_writers.values()
        one.show(LIMIT)
        several.compare(LIMIT, 0.6)
        results += [one, several]
    held = _in_use(context, context.scale.own_jobs[0])
    results[0].at_most("database connections held (Postgres)", held, 0.0)
    return results


def _each_job(servers: Sequence[Server], count: int, rounds: int, results: Mapping[int, Result]) -> None:
    """Measure rounds of all servers in turn, after a first one in which what a connection keeps is made."""
    one = results[next(iter(results))]
    streams: list[tuple[Server, Stream]] = []
    try:
        for server in servers:
            streams.append((server, _joined(server, count, rounds, one)))
            _changes(*streams[-1], count, max(results), FIRST_VERSION)
        figures: defaultdict[tuple[int, str], list[Figure]] = defaultdict(list)
        version = FIRST_VERSION
        for _ in range(rounds):
            for writers in results:
                version += 1
                for server, stream in streams:
                    figures[writers, server.name].append(_changes(server, stream, count, writers, version))
    finally:
        for _, stream in streams:
            stream.stop()
    for (writers, name), measured in figures.items():
        results[writers].add(name, measured)


def _joined(server: Server, count: int, rounds: int, result: Result) -> Stream:
    """Open the sockets several times, and note what they cost; those of the last time stay open."""
    # What the first subscribers load and allocate is not the price of a connection.
    Stream(server, EVENTS, range(min(WARM_UP, count))).stop()
    before = server.resident_bytes
    stream = Stream(server, EVENTS, range(count))
    kilobytes = (server.resident_bytes - before) / 1024 / count
    seconds = [stream.joined_seconds]
    while len(seconds) < rounds:
        stream.stop()
        stream = Stream(server, EVENTS, range(count))
        seconds.append(stream.joined_seconds)
    result.notes.append(f"{server.name}: {kilobytes:.1f} KB a connection, {median(seconds):.2f} s to join")
    if server.name == OURS:
        result.at_most("memory of a connection", kilobytes, CONNECTION_KB, " KB")
        of_a_thousand = median(seconds) * 1000 / count
        result.at_most("a thousand joined", of_a_thousand, JOINED_SECONDS_OF_A_THOUSAND, " s")
    return stream


def _changes(server: Server, stream: Stream, count: int, writers: int, version: int) -> Figure:
    """Change each job once, which makes this version of it, until the last subscriber has its event."""
    title = f"Title {version}"
    bodies = [body(UPDATE_SCENE, input={"sceneId": data.scene_id(job), "title": title}) for job in range(count)]
    load = Requests(bodies, connections=writers, seconds=WRITING_SECONDS, limit=count)
    cpu = server.cpu_seconds
    written = load.start(server).last_answer()
    arrived = stream.wait_for(version)
    cpu = server.cpu_seconds - cpu
    answers = figure_of(written, cpu, server.name)
    seconds = last_arrival(arrived) - float(written["began"])
    return replace(answers, rate=count / seconds, share=cpu / seconds)


def _in_use(context: Context, count: int) -> int:
    """Return how many connections to a Postgres our server holds in a transaction while subscribers wait."""
    url = context.postgres()
    asyncio.run(data.fill_postgres(url, count))
    with context.running(context.scenewire(lambda: url)[:1]) as (server,):
        stream = Stream(server, EVENTS, range(count))
        try:
            return asyncio.run(_watched(url))
        finally:
            stream.stop()


async def _watched(url: str) -> int:
    """Return the number of connections that are in use at each of several instants."""
    connection = await asyncpg_driver.connect(url)
    found: list[int] = []
    try:
        for _ in range(INSTANTS):
            await asyncio.sleep(BETWEEN_SECONDS)
            found.append(int(await connection.fetchval(IN_USE)))
    finally:
        await connection.close()
    # A connection that is held is in use at every instant; background work uses one now and then.
    return min(found)
