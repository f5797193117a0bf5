"""Fault injection on real processes: workers, connections, databases and disks fail while the API is used.

Each module is one scenario: it starts a deployment, uses it, injects faults, and checks what was recorded and what
clients received. Correctness is asserted; durations depend on the machine, so they are measured and printed. Whatever
must happen has TIMEOUT_SECONDS of `tests.support.waiting` to do so.

    lost_workers         workers killed, or frozen for longer than their lease
    duplicate_results    a worker that records every result twice, used by lost_workers
    lost_notifications   LISTEN connections closed or frozen
    postgres_outages     Postgres killed, frozen, stopped
    frozen_stop          processes stopped while Postgres is frozen
    orphaned_tasks       all connections of an API process terminated under load
    shutdown             the server stopped under load
    sqlite_faults        the database file locked, the disk full

`make test` runs two scenarios, `make chaos` all, larger: `python -m tests.faults [--seed N] [NAME ...]`.
"""
