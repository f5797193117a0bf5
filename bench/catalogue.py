"""The works of the benchmark by the name that `ONLY` chooses."""

from collections.abc import Callable
from typing import NamedTuple

from bench.context import Context
from bench.results import Result
from bench.works import coverage, growth, own_jobs, reads, start, streams, writes


class Work(NamedTuple):
    """A work, and whether the short form contains it."""

    run: Callable[[Context], list[Result]]
    short: bool = True


WORKS: dict[str, Work] = {
    "big-list": Work(reads.sqlite_reads),
    "warm-list": Work(reads.warm_list),
    "postgres-reads": Work(reads.postgres_reads),
    "subscribers": Work(streams.one_job),
    "joining": Work(streams.joining),
    "own-jobs": Work(own_jobs.own_jobs),
    "coming-back": Work(streams.coming_back),
    "update-scene": Work(writes.update_scene),
    "create-job": Work(writes.create_job),
    "start-jobs": Work(writes.start_jobs, short=False),
    "growth": Work(growth.grown, short=False),
    "start": Work(start.start),
    "compiled-path": Work(coverage.compiled_path),
}
