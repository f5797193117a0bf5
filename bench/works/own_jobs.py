"""Streams: many subscribers, each of a job of its own."""

import asyncio

from bench import asyncpg_driver, contenders, data
from bench.contenders import LIMIT, OURS
from bench.context import Context
from bench.measure import Figure
from bench.queries import EVENTS
from bench.results import Result
from bench.server import Server
from bench.streams import Stream, last_arrival, write

CONNECTION_KB = 35.0
JOINED_SECONDS_OF_A_THOUSAND = 1.5
# Changes without subscribers, whose CPU time is subtracted.
ALONE = 300
WRITING_SECONDS = 600.0
WARM_UP = 50
INSTANTS, BETWEEN_SECONDS = 10, 0.1
IN_USE = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND state <> 'idle'"
)


def own_jobs(context: Context) -> list[Result]:
    """Measure one change of each job, each with one subscriber."""
    results: list[Result] = []
    for count in context.scale.own_jobs:
        result = Result(f"{count:,} subscribers of a job each", "deliveries/s")

        def database(jobs: int = count) -> str:
            return context.sqlite(jobs)

        for launch in [*context.scenewire(database), contenders.limit("frames", database())]:
            with context.running([launch]) as (server,):
                _each_job(server, count, result)
        result.compare(LIMIT, 0.6)
        results.append(result)
    held = _in_use(context, context.scale.own_jobs[0])
    results[0].at_most("database connections held (Postgres)", held, 0.0)
    return results


def _each_job(server: Server, count: int, result: Result) -> None:
    # What the first subscribers load and allocate is not the price of a connection.
    Stream(server, EVENTS, range(min(WARM_UP, count))).stop()
    scenes = [data.scene_id(job) for job in range(count)]
    before = server.resident_bytes
    stream = Stream(server, EVENTS, range(count))
    kilobytes = (server.resident_bytes - before) / 1024 / count
    try:
        cpu = server.cpu_seconds
        written = write(server, scenes, count, seconds=WRITING_SECONDS)
        arrived = stream.wait_for(2)
        cpu = server.cpu_seconds - cpu
    finally:
        stream.stop()
    alone = server.cpu_seconds
    changed = len(write(server, scenes, min(ALONE, count)))
    alone = (server.cpu_seconds - alone) / changed
    seconds = last_arrival(arrived) - written[0]["sent"]
    result.figures[server.name] = Figure(count / seconds, cpu * 1000 / count, cpu / seconds)
    net = (cpu / count - alone) * 1e6
    result.notes.append(
        f"{server.name}: {kilobytes:.1f} KB a connection, {stream.joined_seconds:.2f} s to join, "
        f"{net:.0f} µs CPU a delivery without the change itself"
    )
    if server.name == OURS:
        result.at_most("memory of a connection", kilobytes, CONNECTION_KB, " KB")
        of_a_thousand = stream.joined_seconds * 1000 / count
        result.at_most("a thousand joined", of_a_thousand, JOINED_SECONDS_OF_A_THOUSAND, " s")


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
