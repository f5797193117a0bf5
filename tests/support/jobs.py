"""Create, change and read jobs through the API."""

import os
import random
from typing import Any, NamedTuple

from tests.support.client import Client, Json


class Made(NamedTuple):
    """A new job, and the ids of its scenes in play order."""

    id: str
    version: int
    scenes: list[str]


def scene(prompt: str = "A lighthouse at dusk", **script: Any) -> Json:
    """Return the input of a scene; `script` controls the scripted provider."""
    return {"prompt": prompt, "metadata": {"script": script}}


async def make(client: Client, *scenes: Json, **fields: Any) -> Made:
    """Create a job that must be accepted."""
    selection = "job { id version scenes { nodes { id } } } errors { code message path }"
    new_job: Json = {"title": "A day at the coast", "scenes": list(scenes) or [scene()], **fields}
    payload = await client.mutate("createJob", selection, **new_job)
    assert payload["errors"] == []
    job = payload["job"]
    return Made(job["id"], job["version"], [each["id"] for each in job["scenes"]["nodes"]])


async def change(client: Client, name: str, **fields: Any) -> int:
    """Run a mutation that must be accepted. Return the new version of the job."""
    payload = await client.mutate(name, "job { version } errors { code message path }", **fields)
    assert payload["errors"] == [], (name, fields)
    return payload["job"]["version"]


async def retitle(client: Client, job_id: str, title: str) -> int:
    """Change the title of a job, which records exactly one event."""
    return await change(client, "updateJob", jobId=job_id, title=title)


async def job(client: Client, job_id: str, selection: str) -> Json:
    """Return fields of a job that must exist."""
    found = (await client.execute(f"query($id: ID!) {{ job(id: $id) {{ {selection} }} }}", id=job_id))["job"]
    assert found is not None
    return found


async def log(client: Client, job_id: str, selection: str = "version type", after: int = 0) -> list[Json]:
    """Return the events of a job after a version, read page by page."""
    events: list[Json] = []
    document = f"""query($id: ID!, $after: Int) {{
        job(id: $id) {{ events(first: 100, after: $after) {{ position: version {selection} }} }}
    }}"""
    while True:
        page = (await client.execute(document, id=job_id, after=after))["job"]["events"]
        for event in page:
            after = event.pop("position")
            events.append(event)
        if len(page) < 100:
            return events


async def settled(client: Client, job_id: str) -> str:
    """Wait until a job settles. Return its status."""
    document = "subscription($id: ID!) { jobEvents(jobId: $id, untilSettled: true) { __typename } }"
    async with client.subscribe(document, id=job_id) as stream:
        await stream.rest()
    return (await job(client, job_id, "status"))["status"]


async def at_rest(client: Client, job_id: str) -> int:
    """Wait until no work is left for a job, including the assembly of its video. Return its version."""
    document = "subscription($id: ID!) { jobProgress(jobId: $id, minIntervalMs: 0) { currentStage version } }"
    async with client.subscribe(document, id=job_id) as stream:
        while (reading := (await stream.next())["jobProgress"])["currentStage"] not in ("DONE", "STOPPED"):
            pass
    return reading["version"]


def seeded(name: str) -> random.Random:
    """Return a random generator whose seed is printed; SCENEWIRE_TEST_SEED repeats a run."""
    seed = int(os.environ.get("SCENEWIRE_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"{name}: SCENEWIRE_TEST_SEED={seed}")  # noqa: T201 # shown by pytest when the test fails
    return random.Random(seed)
