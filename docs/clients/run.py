"""Follows a job in the terminal: python docs/clients/run.py ADDRESS JOB."""

import asyncio
import json
import sys
from typing import Any

from follow import follow

from scenewire import Event, Job, Message, Refused, SceneProgress, Snapshot

Json = dict[str, Any]


def show(message: Message) -> None:
    """Print one line of JSON per message, in the names of feed.graphql."""
    match message:
        case Snapshot():
            about = {"reason": message.reason, "version": message.version}
        case Event():
            about = {"version": message.version, "type": message.type, "sceneId": message.scene_id}
        case SceneProgress():
            about = {"sceneId": message.scene_id}
    write({"message": {"__typename": _TYPENAMES[type(message)], **about}, "job": shown(message.job)})


_TYPENAMES: dict[type[Message], str] = {Snapshot: "JobSnapshot", Event: "JobEvent", SceneProgress: "SceneProgress"}


def shown(job: Job) -> Json:
    """Return the fields of the fragment Shown."""
    progress = {
        "id": job.id.replace("job_", "progress_"),
        "percentage": job.progress.percentage,
        "stageLabel": job.progress.stage_label,
        "version": job.progress.version,
    }
    scenes = [
        {
            "id": scene.id,
            "title": scene.title,
            "prompt": scene.prompt,
            "status": scene.status,
            "percentage": scene.percentage,
            "output": scene.output and {"url": scene.output.url},
        }
        for scene in job.scenes
    ]
    fields = {"id": job.id, "title": job.title, "status": job.status, "version": job.version}
    return {**fields, "progress": progress, "scenes": {"nodes": scenes}}


def on_state(state: str) -> None:
    """Print one line of JSON per change of the connection state that a user sees."""
    if state in ("live", "reconnecting"):
        write({"state": state})


def write(line: Json) -> None:
    """Print a line and flush it, since a test reads it through a pipe."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main(address: str, job_id: str) -> None:
    """Follow the job until the stream ends, then print the reason."""
    try:
        await follow(address, job_id, show, on_state)
        write({"end": None})
    except Refused as refused:
        write({"end": str(refused)})


asyncio.run(main(*sys.argv[1:]))
