"""Lists in a database of 10,000 jobs, compared with one of 1,000, on both databases."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from statistics import median
from typing import NamedTuple

from bench import data, varied
from bench.context import Context
from bench.measure import Json, Load, Requests, figure_of
from bench.queries import BIG_LIST, ONE_JOB, body
from bench.results import Result
from bench.server import Launch, Server
from bench.works.reads import NOTHING_CACHED
from models.domain.paging import encode
from models.reads.list_shapes import JobOrderField

SLOWER = 1.2
# The largest of hundreds of ratios is that with the largest error. So a list above the bar is measured again, in so
# many times as many rounds, which alone count.
AGAIN = 3
# The cursor of a page is at the job with this number.
MIDDLE = 500
SECRET = "a secret of the benchmark's own servers only"  # noqa: S105 # of a server on the loopback interface
PAGE = "{ nodes { id title status version } pageInfo { hasNextPage } }"
COUNTED = "{ nodes { id } totalCount }"
ORDERS = {
    "newest": "{field: CREATED_AT, direction: DESC}",
    "oldest": "{field: CREATED_AT, direction: ASC}",
    "last changed": "{field: UPDATED_AT, direction: DESC}",
    "first changed": "{field: UPDATED_AT, direction: ASC}",
    "title": "{field: TITLE, direction: ASC}",
    "title backwards": "{field: TITLE, direction: DESC}",
}
ORDERS_OF_ROLES = ("newest", "last changed", "title")
FILTERS = {
    "all": "",
    "a common status": "status: [PROCESSING]",
    "a status of a tenth": "status: [CANCELED]",
    "a rare status": "status: [FAILED]",
    "two statuses": "status: [FAILED, CANCELED]",
    "a common word": f'search: "{varied.COMMON_TITLE}"',
    "a rare word": f'search: "{varied.RARE_TITLE.upper()}"',
    "two letters": 'search: "ST"',
    "changed lately": f'updatedSince: "{varied.RECENT.isoformat()}"',
    "an owner": f'ownerId: "{varied.OWNER}"',
    "an owner's rare status": f'ownerId: "{varied.OWNER}", status: [FAILED]',
}


class Timed(NamedTuple):
    """A list: its request, or the path of a GET."""

    request: Json | None
    path: str = ""


def jobs_lists(orders: Sequence[str] = tuple(ORDERS)) -> dict[str, Timed]:
    """Return the lists of jobs, by each order and filter."""
    lists = {
        f"jobs, {name}, by {order}": Timed(body(_jobs(given, ORDERS[order], PAGE)))
        for (name, given), order in product(FILTERS.items(), orders)
    }
    for name, given in FILTERS.items():
        # The number of all matches of a word is counted one by one.
        if name not in ("a common word", "two letters"):
            lists[f"jobs with totalCount, {name}"] = Timed(body(_jobs(given, ORDERS["newest"], COUNTED)))
    for order in orders:
        lists[f"jobs behind a cursor, by {order}"] = Timed(body(_behind(ORDERS[order], PAGE)))
    lists["jobs, the last page"] = Timed(body(f"{{ jobs(last: 10) {PAGE} }}"))
    lists["jobs with deleted ones"] = Timed(body(f"{{ jobs(first: 10, includeDeleted: true) {COUNTED} }}"))
    return lists


def other_lists() -> dict[str, Timed]:
    """Return what else the API lists."""
    job = data.job_id(8)
    scenes = "nodes { id position status } totalCount"
    of_job = f'job(id: "{job}")'
    return {
        "the big list": Timed(body(BIG_LIST)),
        "one job": Timed(body(ONE_JOB, id=job)),
        "scenes": Timed(body(f"{{ {of_job} {{ scenes {{ {scenes} }} }} }}")),
        "scenes by status": Timed(body(f"{{ {of_job} {{ scenes(first: 5, status: [PENDING]) {{ {scenes} }} }} }}")),
        "takes": Timed(body(f"{{ {of_job} {{ scenes {{ nodes {{ takes {{ id number }} }} }} }} }}")),
        "places in the queue": Timed(body(f"{{ {of_job} {{ scenes {{ nodes {{ queuePosition }} }} }} }}")),
        "estimates": Timed(body(f"{{ {of_job} {{ progress {{ etaSeconds stageLabel }} }} }}")),
        "events": Timed(body(f"{{ {of_job} {{ events {{ version type }} }} }}")),
        "webhooks": Timed(body("{ webhooks { id url } }")),
        "deliveries": Timed(body("{ webhooks { deliveries { id status } } }")),
        "rare deliveries": Timed(body("{ webhooks { deliveries(status: EXHAUSTED) { id status } } }")),
        "scenes by REST": Timed(None, f"/api/v3/jobs/{job}/scenes"),
    }


def grown(context: Context) -> list[Result]:
    """Measure every list on both databases, as the administrator, an owner and a worker."""

    def postgres(jobs: int) -> str:
        url = context.postgres()
        asyncio.run(data.fill_postgres(url, jobs, varied.varied))
        asyncio.run(data.bring_to_rest(url))
        return url

    kinds: dict[str, Callable[[int], str]] = {
        "SQLite": lambda jobs: context.sqlite(jobs, varied.varied),
        "Postgres": postgres,
    }
    few, many = context.scale.jobs, context.scale.grown_jobs
    results: list[Result] = []
    for kind, database in kinds.items():
        launches = [_launch(context, database(jobs), jobs) for jobs in (few, many)]
        with context.running(launches) as servers:
            results.append(_compared(context, servers, f"lists, {kind}", jobs_lists() | other_lists(), {}))
            for role, subject in (("user", varied.OWNER), ("worker", "worker")):
                headers = {"Authorization": f"Bearer {_token(subject, role)}"}
                results.append(
                    _compared(context, servers, f"lists of a {role}, {kind}", jobs_lists(ORDERS_OF_ROLES), headers)
                )
    return results


def _compared(
    context: Context, servers: list[Server], work: str, lists: dict[str, Timed], headers: dict[str, str]
) -> Result:
    few, many = servers
    result = Result(f"{work}: {many.name} by {few.name}", "lists")
    slower: dict[str, float] = {}
    load = Load("bench.load.requests")
    try:
        for name, (request, path) in lists.items():
            given = Requests([request], 1, seconds=60.0, limit=context.scale.list_requests, headers=headers, path=path)
            first, second = _fast_answers(load, given, servers, context.scale.list_rounds)
            if second / first > SLOWER:
                first, second = _fast_answers(load, given, servers, AGAIN * context.scale.list_rounds)
            slower[name] = second / first
            times = f"{first:.2f} ms, {second:.2f} ms"
            print(f"  {slower[name]:.2f}  {work}: {name}: {times}", flush=True)
            if slower[name] > SLOWER:
                result.notes.append(f"{name}: {times}, {slower[name]:.2f} times")
    finally:
        load.stop()
    slowest = max(slower, key=slower.__getitem__)
    result.at_most(f"time of an answer, median of {len(lists)} lists", median(slower.values()), SLOWER)
    result.at_most(f"of the list that grows most ({slowest})", slower[slowest], SLOWER)
    return result


def _fast_answers(load: Load, given: Requests, servers: list[Server], rounds: int) -> list[float]:
    """Return the milliseconds that a fast answer of each server takes: only a tenth are faster.

    Slower answers are those during which the machine did something else.
    """
    times: list[list[float]] = [[] for _ in servers]
    # The first round warms up.
    for number in range(rounds + 1):
        for server, its in zip(servers, times, strict=True):
            load.send(given.specification(server))
            answer = load.answer()
            figure_of(answer, 0.0, server.name)
            its.extend(answer["milliseconds"] if number else ())
    return [sorted(its)[len(its) // 10] for its in times]


def _launch(context: Context, database: str, jobs: int) -> Launch:
    launch = context.scenewire(lambda: database, auth_secret=SECRET, **NOTHING_CACHED)[0]
    return replace(launch, name=f"{jobs:,} jobs")


def _token(subject: str, role: str) -> str:
    """Return a token by the command that users have."""
    environment = {**os.environ, "SCENEWIRE_AUTH_SECRET": SECRET}
    command = [sys.executable, "-m", "server", "token", "--sub", subject, "--roles", role]
    printed = subprocess.run(command, cwd=data.ROOT, env=environment, check=True, capture_output=True, text=True)
    return printed.stdout.strip()


def _behind(order: str, page: str) -> str:
    """Return the page behind a job that each database has, and about as many others in front of it as behind."""
    field = JobOrderField[order.split(": ")[1].split(",")[0]]
    job = varied.varied(MIDDLE)["job"][-1]
    value = job[field.value.lower()]
    key = (field.value, value if field is JobOrderField.TITLE else value.isoformat(), job["id"])
    return f'{{ jobs(first: 10, after: "{encode(key)}", orderBy: {order}) {page} }}'


def _jobs(given: str, order: str, page: str) -> str:
    filtered = f", filter: {{{given}}}" if given else ""
    return f"{{ jobs(first: 10{filtered}, orderBy: {order}) {page} }}"
