"""Random requests from the published schemas: `python -m tests.attacks.fuzz [SECONDS [SEEDS]]`."""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from tests.support.database_choice import KINDS, database_choice
from tests.support.postgres import some_postgres
from tests.support.server_process import ServerProcess

SECONDS, SEEDS = 40.0, 3
# Sent in any case, as a busy machine may need all of the time to make the first one.
LEAST_REQUESTS = 5
LOADERS: dict[str, Callable[[str], Any]] = {
    "REST": lambda url: schemathesis.openapi.from_url(f"{url}/openapi.json"),
    "GraphQL": lambda url: schemathesis.graphql.from_url(f"{url}/graphql"),
}
# The scalar of required fields that GraphQL itself does not have.
schemathesis.graphql.scalar("SafeInt", st.integers(-(2**53) + 1, 2**53 - 1).map(nodes.Int))


class _TimeIsUp(Exception):
    """Ends the search of Hypothesis."""


def server(folder: Path) -> ServerProcess:
    """A server of the development profile, which publishes its schemas; nothing is rendered."""
    # A busy machine must not make it answer that its database is unavailable.
    return ServerProcess(folder, module="tests.support.long_timeout_server", provider="external").start()


def fuzz(url: str, kind: str, seconds: float, seed: int) -> int:
    """Send random requests, check each response, and return how many were sent."""
    sent = 0
    requests = LOADERS[kind](url).as_strategy()
    deadline = time.monotonic() + seconds

    def send(case: Any) -> None:
        nonlocal sent
        if time.monotonic() > deadline and sent >= LEAST_REQUESTS:
            raise _TimeIsUp
        response = case.call()
        sent += 1
        assert response.status_code < 500, (case, response.text)
        assert '"INTERNAL"' not in response.text, (case, response.text)

    chosen = hypothesis.settings(
        max_examples=int(seconds * 1_000),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    with suppress(_TimeIsUp):
        cast("Callable[[], None]", hypothesis.seed(seed)(chosen(hypothesis.given(case=requests)(send))))()
    return sent


def main(seconds: float = SECONDS, seeds: int = SEEDS) -> int:
    """Both schemas, on both databases, with printed seeds; `SCENEWIRE_TEST_SEED` sets the first one."""
    first = int(os.environ.get("SCENEWIRE_TEST_SEED") or random.randrange(2**31))
    with ExitStack() as stack:
        databases = stack.enter_context(some_postgres())
        for database in KINDS:
            with database_choice.use(databases if database == "postgres" else None):
                running = server(Path(stack.enter_context(tempfile.TemporaryDirectory())))
                for seed in range(first, first + seeds):
                    for kind in LOADERS:
                        sys.stdout.write(f"{kind} on {database}, SCENEWIRE_TEST_SEED={seed}: ")
                        sys.stdout.flush()
                        sys.stdout.write(f"{fuzz(running.url, kind, seconds / len(LOADERS), seed)} requests\n")
                running.stop()
                assert "Internal error" not in running.log.read_text()
    return 0


if __name__ == "__main__":
    seconds, seeds = (*sys.argv[1:3], *map(str, (SECONDS, SEEDS)[len(sys.argv[1:3]) :]))
    sys.exit(main(float(seconds), int(seeds)))
