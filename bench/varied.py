"""A database of varied jobs, to measure how lists grow: rare and common statuses, titles, owners, deliveries.

Whatever is rare has the same number of rows in every database, so that a list of it has the same answer.
"""

import json
from datetime import timedelta
from typing import Any

from bench.data import EPOCH, Row, job_id, row_id, tables_of
from models.domain.failures import failure_json

RARE = 20
RARE_TITLE, COMMON_TITLE = "storm", "coast"
OWNER, OTHER_OWNERS = "ann", 50
# After every other change of the database.
RECENT = EPOCH + timedelta(days=365)
DELIVERIES_A_JOB = 2
# A server that runs on this database has no video to join.
UNJOINED = json.dumps(failure_json("NO_CLIP", "No clip is kept by this server.", retryable=False, at=EPOCH))


def varied(jobs: int) -> dict[str, list[Row]]:
    """Return the rows by table."""
    tables = tables_of(jobs)
    for number, job in enumerate(tables["job"]):
        job.update(_differences(number, jobs))
    external = {job["id"] for job in tables["job"] if job["provider"] == "external"}
    for scene in tables["scene"]:
        if scene["job_id"] not in external:
            scene["reported_at"] = None
    return {**tables, **_webhook(jobs), "audit": [_audit(number) for number in range(jobs)]}


def _differences(number: int, jobs: int) -> Row:
    """Return what a job has instead of the same for all."""
    updated = EPOCH + timedelta(seconds=number * 7919 % jobs, days=1)
    owner = "local" if number % 4 else OWNER if number % 8 else f"owner-{number % OTHER_OWNERS}"
    status = {5: "CANCELED", 6: "COMPLETED", 7: "COMPLETED", 8: "COMPLETED"}.get(number % 10, "PROCESSING")
    title = f"A day at the {COMMON_TITLE}, part {number}"
    if number % max(1, jobs // RARE) == 0:
        status, title, updated = "FAILED", f"The {RARE_TITLE}, part {number}", RECENT + timedelta(seconds=number)
        owner = "local" if number // max(1, jobs // RARE) % 2 else OWNER
    return {
        "owner_id": owner,
        "provider": "external" if number % 20 == 11 else "scripted",
        "status": status,
        "title": title,
        "title_folded": title.lower(),
        "updated_at": updated,
        "deleted_at": EPOCH + timedelta(days=2) if number % 10 == 3 else None,
        "output_failure": UNJOINED if status == "COMPLETED" else None,
    }


def _webhook(jobs: int) -> dict[str, list[Row]]:
    """Return one webhook, with deliveries of which few failed."""
    webhook: dict[str, Any] = {
        "id": row_id("webhook", 0),
        "owner_id": "local",
        "url": "https://example.com/hook",
        "events": "[]",
        "active": True,
        "secret": "",
        "created_at": EPOCH,
        "updated_at": EPOCH,
    }
    deliveries = [_delivery(number, webhook["id"], jobs) for number in range(jobs * DELIVERIES_A_JOB)]
    return {"webhook": [webhook], "webhookdelivery": deliveries}


def _delivery(number: int, webhook_id: str, jobs: int) -> Row:
    rare = number % max(1, jobs * DELIVERIES_A_JOB // RARE) == 0
    return {
        "id": row_id("delivery", number),
        "webhook_id": webhook_id,
        "job_id": job_id(number // DELIVERIES_A_JOB),
        "version": 1,
        "event_type": "JOB_CREATED",
        "changed": "[]",
        "status": "EXHAUSTED" if rare else "SUCCEEDED",
        "attempts": "[]",
        "failures": 0,
        "occurred_at": EPOCH,
        "created_at": EPOCH + timedelta(seconds=number),
    }


def _audit(number: int) -> Row:
    return {
        "id": row_id("audit", number),
        "at": EPOCH + timedelta(seconds=number),
        "actor_id": "local",
        "action": "createJob",
        "result": "ok",
    }
