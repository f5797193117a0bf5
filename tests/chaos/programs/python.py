"""Follows jobs with the Python client: python python.py ADDRESS JOB..."""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from typing import Any

from scenewire import Client, Event, Job, Message, SceneProgress, Snapshot

Json = dict[str, Any]
PROGRESS = ("version", "pending", "processing", "completed", "failed", "canceled", "percentage")
SCENE = ("id", "title", "prompt", "status", "percentage")


def shown_state(job: Job) -> Json:
    """Return what tests/chaos/shown_states.py reads."""
    return {
        "title": job.title,
        "status": job.status,
        "version": job.version,
        "progress": _only(asdict(job.progress), PROGRESS),
        "scenes": [_only(asdict(scene), SCENE) for scene in job.scenes],
    }


def summary(message: Message) -> str:
    """Return what led to the state."""
    match message:
        case Snapshot():
            return f"JobSnapshot {message.reason} {message.version}"
        case Event():
            return f"JobEvent {message.scene_id or 'of the job'} {message.version}"
        case SceneProgress():
            return f"SceneProgress {message.scene_id} {message.job.version}"


def _only(value: Json, names: tuple[str, ...]) -> Json:
    return {name: value[name] for name in names}


def write(line: Json) -> None:
    """Print a line and flush it, since a pipe is read."""
    sys.stdout.write(json.dumps({"at": time.time(), **line}) + "\n")
    sys.stdout.flush()


async def follow(client: Client, job_id: str) -> None:
    """Print what is shown after each message."""
    async for message in client.follow(job_id):
        write({"jobId": job_id, "message": summary(message), "shown": shown_state(message.job)})
    write({"jobId": job_id, "end": "None"})


async def main(address: str, *job_ids: str) -> None:
    """Follow every job until the process is stopped."""
    async with Client(address) as client, asyncio.TaskGroup() as tasks:
        for job_id in job_ids:
            tasks.create_task(follow(client, job_id))


asyncio.run(main(*sys.argv[1:]))
