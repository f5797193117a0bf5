"""Reading: a big list, and one job with its progress."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench import asyncpg_driver, contenders, data
from bench.answers import ask, check_equal
from bench.contenders import LIMIT, MERCURIUS, OURS, POSTGRAPHILE, STRAWBERRY, UNCACHED, YOGA
from bench.context import Context, check_answers
from bench.measure import Figure, Load, Requests, Rounds, figure_of, interleaved
from bench.queries import BIG_LIST, JOB_FIELDS, ONE_JOB, ONE_JOB_FIELDS, PROGRESS_FIELDS, SCENE_FIELDS, body
from bench.results import Result
from bench.server import Launch, Server

WRITES_A_SECOND = 20.0
# The settings that switch caches of whole answers off, so that every answer is computed from the database.
NOTHING_CACHED: dict[str, object] = {"fragment_cache_bytes": 0}
LISTS = [body(BIG_LIST)]


def single_jobs(jobs: int) -> list[dict[str, Any]]:
    """Return requests for each job in turn."""
    return [body(ONE_JOB, id=data.job_id(number)) for number in range(jobs)]


def sqlite_reads(context: Context) -> list[Result]:
    """Measure both queries on SQLite, against all peers and the limit."""
    singles = single_jobs(context.scale.jobs)
    launches = [
        *_ours(context, context.sqlite),
        *context.chosen_peers([STRAWBERRY, MERCURIUS, YOGA], context.sqlite),
        contenders.limit("reads", context.sqlite()),
    ]
    seconds, rounds = context.scale.seconds, context.scale.rounds
    with context.running(launches) as servers:
        check_answers(servers, [*LISTS, *singles[:3]])
        # The big list has a bar with nothing cached alone.
        uncached = [each for each in servers if each.name != OURS]
        lists = interleaved(dict.fromkeys(uncached, Requests(LISTS, seconds=seconds)), rounds)
        jobs = interleaved(dict.fromkeys(servers, Requests(singles, seconds=seconds)), rounds)
    big = Result.of("big list: 50 jobs x 20 scenes x 12 fields, nothing cached, SQLite", "answers/s", _uncached(lists))
    big.compare(LIMIT, 0.9)
    big.compare(MERCURIUS, 1.0)
    big.compare(STRAWBERRY, 15.0)
    one = Result.of("one job with progress, SQLite", "answers/s", _cached(jobs))
    one.compare(LIMIT, 0.7)
    one.compare(MERCURIUS, 0.8)
    return [big, one, _without_bars("one job with progress, nothing cached, SQLite", jobs)]


def _ours(context: Context, database: Callable[[], str]) -> list[Launch]:
    """Return our server as it is configured by default and without caches, and the older program."""
    uncached = context.scenewire(database, **NOTHING_CACHED)[0]
    return [*context.scenewire(database), replace(uncached, name=UNCACHED)]


def _cached(figures: Rounds) -> Rounds:
    return {name: figure for name, figure in figures.items() if name != UNCACHED}


def _uncached(figures: Rounds) -> Rounds:
    """Return the figures with those of our server without caches as ours."""
    return {**_cached(figures), OURS: figures[UNCACHED]}


def _without_bars(work: str, figures: Rounds) -> Result:
    """Return what our server does without caches, which is shown beside the default that the bars are for."""
    result = Result.of(work, "answers/s", _uncached(figures))
    for other in (LIMIT, MERCURIUS, POSTGRAPHILE):
        result.show(other)
    return result


def warm_list(context: Context) -> list[Result]:
    """Measure the big list with all caches on, while scenes of the listed jobs change."""
    launches = [*context.scenewire(context.sqlite), contenders.limit("reads", context.sqlite())]
    with context.running(launches) as servers:
        check_answers(servers, LISTS)
        scenewire, limit = servers[:-1], servers[-1]
        load = Requests(LISTS, seconds=context.scale.seconds)
        rounds: Rounds = {server.name: [] for server in servers}
        for number in range(context.scale.rounds + 1):
            measured = {server.name: _with_writes(server, load, context.scale.jobs) for server in scenewire}
            measured[limit.name] = load.run(limit)
            # The first round warms up.
            for name, figure in measured.items() if number else ():
                rounds[name].append(figure)
    result = Result.of("big list warm, 20 writes a second, SQLite", "answers/s", rounds)
    result.compare(LIMIT, 8.0)
    result.notes.append("the hand-written program caches nothing and runs without writes")
    return [result]


def postgres_reads(context: Context) -> list[Result]:
    """Measure both queries on Postgres, against PostGraphile and the limit."""
    url = context.postgres()
    asyncio.run(data.fill_postgres(url, context.scale.jobs))
    asyncio.run(_add_percentage(url))
    launches = [*_ours(context, lambda: url), contenders.limit("reads", url)]
    singles = single_jobs(context.scale.jobs)
    seconds, rounds = context.scale.seconds, context.scale.rounds
    with context.running(launches) as servers:
        check_answers(servers, [*LISTS, *singles[:3]])
        if not context.peers:
            lists = interleaved(dict.fromkeys(servers, Requests(LISTS, seconds=seconds)), rounds)
            jobs = interleaved(dict.fromkeys(servers, Requests(singles, seconds=seconds)), rounds)
            return _on_postgres(lists, jobs)
        with context.running([contenders.peer(POSTGRAPHILE, url)]) as (peer,):
            its_singles = [_postgraphile_job(number) for number in range(context.scale.jobs)]
            _check_postgraphile(servers[0], peer, singles[0], its_singles[0])
            measured: list[Rounds] = []
            for bodies, its in ((LISTS, [_postgraphile_list()]), (singles, its_singles)):
                loads = dict.fromkeys(servers, Requests(bodies, seconds=seconds))
                loads[peer] = Requests(its, seconds=seconds)
                measured.append(interleaved(loads, rounds))
    return _on_postgres(*measured)


def _on_postgres(lists: Rounds, jobs: Rounds) -> list[Result]:
    """Return the results of both queries: by default, which the bars are for, and with nothing cached."""
    results: list[Result] = []
    for work, figures in (("big list", lists), ("one job with progress", jobs)):
        result = Result.of(f"{work}, Postgres", "answers/s", _cached(figures))
        result.compare(LIMIT, 0.8)
        result.compare(POSTGRAPHILE, 1.5)
        results += [result, _without_bars(f"{work}, nothing cached, Postgres", figures)]
    return results


def _with_writes(server: Server, load: Requests, jobs: int) -> Figure:
    """Run a load while scenes of the newest jobs change."""
    count = int(load.seconds * WRITES_A_SECOND)
    scenes = [data.scene_id(jobs - 1 - number % min(50, jobs), number % data.SCENES) for number in range(count)]
    cpu = server.cpu_seconds
    specification: dict[str, Any] = {"port": server.port, "path": server.path, "scenes": scenes, "changes": count}
    pace = {"pause": 1 / WRITES_A_SECOND, "seconds": load.seconds}
    writer = Load("bench.load.writer", {**specification, **pace})
    result = load.start(server).last_answer()
    writer.last_answer()
    return figure_of(result, server.cpu_seconds - cpu, server.name)


async def _add_percentage(url: str) -> None:
    """Add the percentage as a computed column, as the documentation of PostGraphile shows."""
    connection = await asyncpg_driver.connect(url)
    try:
        await connection.execute("""
            CREATE FUNCTION job_percentage(job job) RETURNS float8 LANGUAGE sql STABLE AS $$
              SELECT CASE WHEN total = 0 THEN 0 WHEN job.completed = total THEN 100
                ELSE round(least(99.99, (100.0 * job.completed + high_water) / total)::numeric, 2)::float8 END
              FROM (SELECT job.pending + job.processing + job.completed + job.failed + job.canceled AS total,
                (SELECT coalesce(sum(scene.high_water), 0) FROM scene WHERE scene.job_id = job.id
                  AND scene.deleted_at IS NULL AND scene.status <> 'COMPLETED') AS high_water) AS sums
            $$;
            CREATE FUNCTION job_total(job job) RETURNS int LANGUAGE sql STABLE AS $$
              SELECT job.pending + job.processing + job.completed + job.failed + job.canceled
            $$;
        """)
    finally:
        await connection.close()


def _named(fields: list[str]) -> str:
    """Return fields with the name that PostGraphile gives to a column `id`."""
    return " ".join("id: rowId" if name == "id" else name for name in fields)


def _postgraphile_list() -> dict[str, Any]:
    scenes = f"scenesByJobId(orderBy: POSITION_ASC) {{ nodes {{ {_named(SCENE_FIELDS)} }} }}"
    chosen = 'first: 50, orderBy: [CREATED_AT_DESC, ROW_ID_DESC], condition: {ownerId: "local"}'
    return body(f"query {{ jobs: allJobs({chosen}) {{ nodes {{ {_named(JOB_FIELDS)} scenes: {scenes} }} }} }}")


def _postgraphile_job(number: int) -> dict[str, Any]:
    fields = [*ONE_JOB_FIELDS, *(name for name in PROGRESS_FIELDS if name not in ONE_JOB_FIELDS)]
    return body(f"query($id: String!) {{ job: jobByRowId(rowId: $id) {{ {_named(fields)} }} }}", id=data.job_id(number))


def _check_postgraphile(ours: Server, peer: Server, single: dict[str, Any], its_single: dict[str, Any]) -> None:
    """Compare the answers; PostGraphile shows the progress in the job itself."""
    check_equal(ask(ours, LISTS[0]), ask(peer, _postgraphile_list()), POSTGRAPHILE)
    job = ask(ours, single)["job"]
    progress = job.pop("progress")
    flat = {**job, **{name: value for name, value in progress.items() if name not in job}}
    check_equal({"job": flat}, ask(peer, its_single), POSTGRAPHILE)
