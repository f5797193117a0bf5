"""What the product overrides or uses of PgQueuer beyond its public API is still there."""

import inspect
import re

import pytest
from pgqueuer import Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.inmemory import InMemoryQueries
from pgqueuer.core import buffers
from pgqueuer.models import AnyEvent, TableChangedEvent
from pgqueuer.qm import QueueManager

from coordinator.queue.pgqueuer_memory import CappedInMemoryQueries, FinishedJobs, monotonic_now, write_results_at_once
from coordinator.queue.pgqueuer_overrides import TABLE_CHANGED, ListenerDriver, ResilientQueries
from tests.support.overridden import names_used_by, overridden

# The parameters of `dequeue`, which both kinds of queries have.
DEQUEUE = ["batch_size", "entrypoints", "queue_manager_id", "global_concurrency_limit", "heartbeat_timeout"]


class TestPgQueuer:
    """coordinator/queue/pgqueuer_overrides.py and pgqueuer_memory.py."""

    @pytest.mark.parametrize(
        ("kind", "parent", "expected"),
        [
            (
                CappedInMemoryQueries,
                InMemoryQueries,
                {
                    "dequeue": DEQUEUE,
                },
            ),
            (
                ListenerDriver,
                AsyncpgPoolDriver,
                {"__init__": ["pool"], "add_listener": ["channel", "callback"]},
            ),
            (
                ResilientQueries,
                Queries,
                {
                    "dequeue": DEQUEUE,
                    "eligible_queued_work": ["entrypoints"],
                    "queued_work": ["entrypoints"],
                    "next_deferred_eta": ["entrypoints"],
                    "update_heartbeat": ["job_ids"],
                    "retry_job": ["job", "delay", "traceback_record"],
                    "log_jobs": ["job_status"],
                },
            ),
        ],
        ids=["CappedInMemoryQueries", "ListenerDriver", "ResilientQueries"],
    )
    def test_overridden_methods_have_the_expected_parameters_in_pgqueuer(
        self, kind: type, parent: type, expected: dict[str, list[str]]
    ) -> None:
        """A method that PgQueuer removes or changes would no longer be overridden."""
        actual = overridden(kind, parent)
        assert {name: actual.get(name) for name in expected} == expected

    def test_pgqueuer_makes_its_buffer_of_results_from_the_module(self) -> None:
        """So that ours takes its place; its writes are those of PgQueuer's."""
        write_results_at_once()
        assert buffers.JobStatusLogBuffer is FinishedJobs
        assert "buffers.JobStatusLogBuffer(" in inspect.getsource(QueueManager.run)

    def test_pgqueuer_calls_no_query_that_is_not_overridden(self) -> None:
        """A lost connection in any other query would end PgQueuer's loop and all running renders with it."""
        source = "".join(inspect.getsource(each) for each in (QueueManager.run, QueueManager.fetch_jobs, buffers))
        source += "".join(
            inspect.getsource(vars(QueueManager)[name]) for name in ("_dispatch", "_effective_dequeue_timeout")
        )
        called = set(re.findall(r"\.(?:queries|repository)\.(\w+)\(", source))
        assert called <= overridden(ResilientQueries, Queries).keys()
        assert {"dequeue", "log_jobs", "retry_job", "update_heartbeat"} <= called

    def test_queue_in_memory_takes_the_time_from_the_replaced_function(self) -> None:
        """Its methods read `utc_now` from their module, where ours ignores changes of the system clock."""
        assert InMemoryQueries.dequeue.__globals__["utc_now"] is monotonic_now
        timed = ("enqueue", "dequeue", "retry_job", "eligible_queued_work", "next_deferred_eta", "update_heartbeat")
        for name in timed:
            used = names_used_by(getattr(InMemoryQueries, name))
            assert "utc_now" in used, name
            assert not {"datetime", "time"} & set(used), name

    def test_the_sent_notification_is_one_of_a_changed_table(self) -> None:
        """Any other message would not make a manager look for work."""
        event = AnyEvent.model_validate_json(TABLE_CHANGED % "channel").root
        assert isinstance(event, TableChangedEvent)
        assert event.operation == "insert"
