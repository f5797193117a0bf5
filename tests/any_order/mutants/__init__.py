"""Mutants: the product with one small bug each, which the state machine must detect.

A mutant is a function that patches the product while its context lasts. To add one, write it in the module of its part
(`commands`, `renders` or `writes`), add it to MUTANTS, and record its trace:
`python -m tests.any_order record NAME`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from tests.any_order.mutants import commands, renders, writes

Mutant = Callable[[], AbstractContextManager[object]]

_ALL: tuple[Mutant, ...] = (
    writes.version_incremented_twice,
    writes.start_event_not_logged,
    writes.scenes_committed_before_job,
    writes.deleted_scene_counted,
    writes.status_stale_after_delete,
    writes.gap_in_positions,
    writes.reordering_keeps_assembled_video,
    commands.canceled_job_can_start,
    commands.canceled_scene_stays_queued,
    commands.idempotency_key_forgotten,
    commands.recovery_window_ignored,
    commands.expected_version_ignored,
    commands.access_not_checked,
    commands.regenerated_scene_not_enqueued,
    commands.regenerated_scene_keeps_clip,
    commands.regenerated_scene_keeps_high_water,
    commands.deleted_scene_accepts_commands,
    commands.pending_scene_restored_as_processing,
    commands.selected_take_not_current,
    renders.lost_lease_may_write,
    renders.result_recorded_twice,
    renders.takeover_keeps_run,
    renders.retry_not_counted_as_attempt,
    renders.percentage_can_fall,
    renders.running_renders_not_reconciled,
    renders.adopted_scene_keeps_its_run,
    renders.silent_take_goes_on,
)
MUTANTS: Mapping[str, Mutant] = {mutant.__name__: mutant for mutant in _ALL}
# Transactions, SQL expressions, timestamps and concurrent requests are not the same on both databases.
DATABASE_DEPENDENT = frozenset(
    {
        "scenes_committed_before_job",
        "gap_in_positions",
        "idempotency_key_forgotten",
        "recovery_window_ignored",
        "takeover_keeps_run",
        "percentage_can_fall",
        "running_renders_not_reconciled",
    }
)
