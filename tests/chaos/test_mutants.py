"""The bugs that a run must detect are there: a mutant that changed nothing would be found by no run."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from models.domain.access import LOCAL
from models.domain.events import EventType
from models.writes.audit import AuditContext
from models.writes.store import Committed
from server import container
from tests.chaos.mutants import Mutant, patched
from tests.support.domain import domain

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

EARLY = (Mutant.PUBLISH_BEFORE_COMMIT, Mutant.HINT_BEFORE_COMMIT)


@pytest.mark.parametrize("audited", [pytest.param(True, id="mutation"), pytest.param(False, id="render")])
@pytest.mark.parametrize("mutant", [None, *EARLY])
async def test_hint_is_sent_before_the_commit_only_with_the_bug(
    tmp_path: Path, mutant: Mutant | None, audited: bool
) -> None:
    """One hint for each change of a mutation or of a render; it has the events only if the mutant sends them."""
    async with domain(tmp_path) as env:
        job_id = await env.a_job()
        hints: list[tuple[int, bool, bool]] = []

        def note(committed: Committed) -> None:
            if committed.version is not None or committed.job is not None or committed.events:
                ((version,),) = env.external.rows("SELECT version FROM job")
                hints.append((version, committed.version == 2, committed.job is not None and bool(committed.events)))

        env.commits.after = note
        with nullcontext() if mutant is None else patched(mutant):
            store = container.Store(env.store.database, env.commits)
        if audited:
            store = store.audited(AuditContext("request"))
        async with store.change(job_id, LOCAL) as change:
            change.record(EventType.JOB_UPDATED)
    committed_by_then = 2 if mutant is None else 1
    assert hints == [(committed_by_then, True, mutant is not Mutant.HINT_BEFORE_COMMIT)]
