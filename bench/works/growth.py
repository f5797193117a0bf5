"""Lists in a database of 10,000 jobs, compared with one of 1,000."""

from dataclasses import replace
from typing import Any

from bench import data
from bench.answers import ask
from bench.context import Context
from bench.measure import Requests, interleaved
from bench.queries import BIG_LIST, ONE_JOB, body
from bench.results import Result

SLOWER = 1.2
PAGE = "{ nodes { id title status version } pageInfo { hasNextPage } }"
LISTS: dict[str, dict[str, Any]] = {
    "the big list": body(BIG_LIST),
    "one job": body(ONE_JOB, id=data.job_id(7)),
    "the newest jobs": body(f"{{ jobs(first: 50) {PAGE} }}"),
    "the last page": body(f"{{ jobs(last: 50) {PAGE} }}"),
    "by title": body(f"{{ jobs(first: 50, orderBy: {{field: TITLE, direction: ASC}}) {PAGE} }}"),
    "by change": body(f"{{ jobs(first: 50, orderBy: {{field: UPDATED_AT}}) {PAGE} }}"),
    "by status": body(f"{{ jobs(first: 50, filter: {{status: [PROCESSING]}}) {PAGE} }}"),
    "search": body(f'{{ jobs(first: 50, filter: {{search: "coast"}}) {PAGE} }}'),
}


def grown(context: Context) -> list[Result]:
    """Measure every list on both databases."""
    few, many = context.scale.jobs, context.scale.grown_jobs
    results: list[Result] = []
    small = context.scenewire(context.sqlite)[0]
    large = context.scenewire(lambda: context.sqlite(many))[0]
    with context.running([replace(small, name=f"{few:,} jobs"), replace(large, name=f"{many:,} jobs")]) as servers:
        for name, request in LISTS.items():
            for server in servers:
                ask(server, request)
            result = Result(f"{name}, {many:,} jobs x {data.SCENES} scenes", "answers/s")
            load = Requests([request], seconds=context.scale.seconds / 2)
            result.figures = interleaved(servers, load, context.scale.rounds)
            slower = result.figures[f"{many:,} jobs"].cpu_ms / result.figures[f"{few:,} jobs"].cpu_ms
            result.at_most(f"CPU, by that with {few:,} jobs", slower, SLOWER)
            results.append(result)
    return results
