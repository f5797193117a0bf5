"""Jobs as clients make and change them, for the tests in this folder."""

import os
import random
from typing import Any, NamedTuple

from tests.support.client import Client, Json


class Made(NamedTuple):
    """A job that was created, and the ids of its scenes in play order."""

    id: str
    version: int
    scenes: list[str]


def scene(prompt: str = "A lighthouse at dusk", **script: Any) -> Json:
    """The input of a scene; what is given beside the prompt is told to the scripted provider."""
    return {"prompt": prompt, "metadata": {"script": script}}


async def make(client: Client, *scenes: Json, **fields: Any) -> Made:
    """Create a job that must be accepted."""
    selection = "job { id version scenes { nodes { id } } } errors { code message path }"
    wanted: Json = {"title": "A day at the coast", "scenes": list(scenes) or [scene()], **fields}
    payload = await client.mutate("createJob", selection, **wanted)
    assert payload["errors"] == []
    job = payload["job"]
    return Made(job["id"], job["version"], [each["id"] for each in job["scenes"]["nodes"]])


async def change(client: Client, name: str, **fields: Any) -> int:
    """Do what must be accepted; answers the version of the job as of then."""
    payload = await client.mutate(name, "job { version } errors { code message path }", **fields)
    assert payload["errors"] == [], (name, fields)
    return payload["job"]["version"]


async def retitle(client: Client, job_id: str, title: str) -> int:
    """The smallest change there is: one event."""
    return await change(client, "updateJob", jobId=job_id, title=title)


async def job(client: Client, job_id: str, selection: str) -> Json:
    """Fields of a job that must be there."""
    found = (await client.execute(f"query($id: ID!) {{ job(id: $id) {{ {selection} }} }}", id=job_id))["job"]
    assert found is not None
    return found


async def log(client: Client, job_id: str, selection: str = "version type", after: int = 0) -> list[Json]:
    """The events of a job after a version, page by page."""
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
    """Wait until a job settles; answers its status."""
    document = "subscription($id: ID!) { jobEvents(jobId: $id, untilSettled: true) { __typename } }"
    async with client.subscribe(document, id=job_id) as stream:
        await stream.rest()
    return (await job(client, job_id, "status"))["status"]


async def at_rest(client: Client, job_id: str) -> int:
    """Wait until nothing is done for a job any more, joining its clips included; answers its version."""
    document = "subscription($id: ID!) { jobProgress(jobId: $id, minIntervalMs: 0) { currentStage version } }"
    async with client.subscribe(document, id=job_id) as stream:
        while (reading := (await stream.next())["jobProgress"])["currentStage"] not in ("DONE", "STOPPED"):
            pass
    return reading["version"]


def seeded(name: str) -> random.Random:
    """Chance that can be repeated: SCENEWIRE_TEST_SEED names the seed, which is printed."""
    seed = int(os.environ.get("SCENEWIRE_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"{name}: SCENEWIRE_TEST_SEED={seed}")  # noqa: T201 # shown by pytest when the test fails
    return random.Random(seed)
