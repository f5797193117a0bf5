"""Writing: a change of one scene, and a new job of 20 scenes, on both databases."""

import asyncio
from collections.abc import Callable
from typing import Any

from bench import contenders, data
from bench.contenders import LIMIT, OURS
from bench.context import Context
from bench.measure import Requests, interleaved
from bench.queries import CREATE_JOB, UPDATE_SCENE, body, new_job
from bench.results import Result, Verdict
from bench.server import Launch

WRITERS = (1, 16)
LATE_FACTOR = 3.0


def databases(context: Context) -> dict[str, Callable[[], str]]:
    """Return how a new database of each kind is made."""

    def postgres() -> str:
        url = context.postgres()
        asyncio.run(data.fill_postgres(url, context.scale.jobs))
        return url

    return {"SQLite": context.sqlite, "Postgres": postgres}


def update_scene(context: Context) -> list[Result]:
    """Measure changes of scenes of as many jobs as there are writers."""
    results: list[Result] = []
    for kind, database in databases(context).items():
        with context.running(_launches(context, database)) as servers:
            for writers in WRITERS:
                name = "1 writer" if writers == 1 else f"{writers} writers"
                changes = _changes(context.scale.jobs, writers)
                load = Requests(changes, connections=writers, seconds=context.scale.seconds)
                rounds = interleaved(dict.fromkeys(servers, load), context.scale.rounds)
                result = Result.of(f"updateScene, {name}, {kind}", "changes/s", rounds)
                result.compare(LIMIT, 0.45)
                late = result.ratio(lambda each: each.p99_ms, OURS, LIMIT)
                result.verdicts.append(Verdict(f"p99, by that of {LIMIT}", late, LATE_FACTOR, at_least=False))
                results.append(result)
    return results


def create_job(context: Context) -> list[Result]:
    """Measure new jobs of 20 scenes."""
    results: list[Result] = []
    created = [body(CREATE_JOB, input=new_job(f"A day at the coast, {number}", data.SCENES)) for number in range(50)]
    for kind, database in databases(context).items():
        with context.running(_launches(context, database)) as servers:
            load = Requests(created, connections=1, seconds=context.scale.seconds)
            rounds = interleaved(dict.fromkeys(servers, load), context.scale.rounds)
        result = Result.of(f"createJob of {data.SCENES} scenes, {kind}", "jobs/s", rounds)
        result.compare(LIMIT, 0.5)
        results.append(result)
    return results


def start_jobs(context: Context) -> list[Result]:
    """Measure whether the CPU time of creating and starting jobs grows with their number alone."""
    result = Result(f"create and start jobs of {data.SCENES} scenes", "jobs/s")
    costs: dict[str, list[float]] = {}
    for launch in context.scenewire(context.sqlite, render_concurrency=1):
        for count in context.scale.started_jobs:
            with context.running([launch_on_new(launch, context)]) as (server,):
                figure = Requests(_stalled(count), connections=4, seconds=600.0, limit=count).run(server)
            result.figures[f"{server.name}, {count} jobs"] = figure
            costs.setdefault(server.name, []).append(figure.cpu_ms)
    growth = costs[OURS][-1] / costs[OURS][0]
    few, many = context.scale.started_jobs[0], context.scale.started_jobs[-1]
    result.at_most(f"CPU a job at {many} jobs, by that at {few}", growth, 1.25)
    return [result]


def launch_on_new(launch: Launch, context: Context) -> Launch:
    """Return a launch on a new database."""
    url = f"sqlite+aiosqlite:///{context.sqlite()}"
    return Launch(launch.name, launch.command, launch.folder, {**launch.environment, "SCENEWIRE_DATABASE_URL": url})


def _launches(context: Context, database: Callable[[], str]) -> list[Launch]:
    return [*context.scenewire(database), contenders.limit("writes", database())]


def _changes(jobs: int, writers: int) -> list[dict[str, Any]]:
    """Return changes of one scene of each job in turn, so that writers do not wait for the lock of one job."""
    titles = [f"Title {number} of {writers} writers" for number in range(4 * jobs)]
    inputs = [{"sceneId": data.scene_id(number % jobs), "title": title} for number, title in enumerate(titles)]
    return [body(UPDATE_SCENE, input=each) for each in inputs]


def _stalled(count: int) -> list[dict[str, Any]]:
    """Return jobs whose first scene is rendered for ever, so that the others stay in the queue."""
    job = new_job("A day at the coast", data.SCENES, start=True, provider="scripted")
    job["scenes"] = [{**scene, "metadata": {"script": {"outcome": "stall"}}} for scene in job["scenes"]]
    return [body(CREATE_JOB, input={**job, "title": f"A day at the coast, {number}"}) for number in range(count)]
