"""The commands that a writer may send for a job, given the state that it last read."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.chaos.history import EDITED

Json = dict[str, Any]
MAX_SCENES = 9
OPEN = ("PENDING", "PROCESSING")
# The share of delivered clips that are to be adopted.
ADOPTED = 0.7


class JobView(NamedTuple):
    """A job as a writer read it."""

    id: str
    version: int
    status: str
    scenes: list[Json]


@dataclass(frozen=True)
class Command:
    """A mutation, and the change that the log must have once it is acknowledged; no change if `action` is empty.

    `certain` is False for a command that may succeed without a change. `version` is that of the change, if the command
    requires it.
    """

    mutation: str
    input: Json
    action: str
    value: str = ""
    scene_id: str | None = None
    certain: bool = True
    version: int | None = None
    selection: str = "job { id version } "

    @property
    def input_type(self) -> str:
        """The name of the input's type."""
        return {
            "startJob": "JobActionInput",
            "cancelJob": "JobActionInput",
            "cancelScene": "SceneActionInput",
            "deleteScene": "SceneActionInput",
        }.get(self.mutation, f"{self.mutation[0].upper()}{self.mutation[1:]}Input")

    @property
    def document(self) -> str:
        """The operation."""
        return f"""mutation($input: {self.input_type}!) {{
            {self.mutation}(input: $input) {{ {self.selection} errors {{ code message path }} }}
        }}"""


def create_job(random_source: random.Random, key: str, provider: str, scenes: int, pad: int = 0) -> Command:
    """Create a job with some scenes, started or not."""
    fields: Json = {
        "title": f"Job {key}",
        "provider": provider,
        "scenes": [new_scene(random_source, f"{key}-{number}") for number in range(scenes)],
        "start": random_source.random() < 0.7,
        "metadata": {"pad": "x" * pad},
        "idempotencyKey": key,
    }
    return Command("createJob", fields, "JOB_CREATED", key)


def new_scene(random_source: random.Random, prompt: str) -> Json:
    """Return a scene whose render takes about a second and succeeds, fails, recovers or stalls."""
    script: Json = {"steps": random_source.randint(2, 8), "stepSeconds": round(random_source.uniform(0.02, 0.25), 3)}
    failures: list[Json] = [{"outcome": "fail"}, {"failTakes": 1}, {"failTakes": 2}, {"outcome": "stall"}]
    script |= random_source.choice([{}, {}, {}, *failures])
    return {"prompt": prompt, "durationSeconds": 1.0, "metadata": {"script": script}}


def choose_command(random_source: random.Random, job: JobView, key: str, provider: str, clips: str) -> Command:
    """Return a random command; the server may refuse it. `clips` is the address of a host of clips to be adopted."""
    commands: list[tuple[int, Callable[[], Command]]] = [(3, lambda: _retitle(random_source, job, key))]
    if len(job.scenes) < MAX_SCENES:
        commands.append((2, lambda: _add(random_source, job, key)))
    if job.status == "PENDING":
        commands.append(
            (3, lambda: Command("startJob", {"jobId": job.id, "idempotencyKey": key}, "JOB_STARTED", certain=False))
        )
    if job.status in OPEN:
        commands.append((1, lambda: _cancel_job(random_source, job, key)))
    if job.scenes:
        scene = random_source.choice(job.scenes)
        reports = 6 if provider == "external" else 1
        commands += [
            (3, lambda: _edit(scene, key)),
            (reports, lambda: _report(random_source, scene, key, clips)),
            (reports, lambda: _fraction(random_source, scene)),
            (4 if scene["status"] not in OPEN else 1, lambda: _regenerate(random_source, scene, key)),
            (1, lambda: _delete(scene)),
        ]
        if scene["status"] in OPEN:
            commands.append((2, lambda: _cancel(scene)))
        if len(job.scenes) > 1:
            commands.append((2, lambda: _move(random_source, job, scene)))
    weights = [weight for weight, _ in commands]
    ((_, make),) = random_source.choices(commands, weights)
    return make()


def deliver(scene: Json, key: str, clips: str) -> Command:
    """Report a scene as completed, with a clip to be adopted."""
    fields: Json = {"sceneId": scene["id"], "title": key, "status": "COMPLETED"}
    return Command(
        "updateScene", fields | {"outputUrl": f"{clips}/{key}.mp4", "adoptOutput": True}, EDITED, key, scene["id"]
    )


def _retitle(random_source: random.Random, job: JobView, key: str) -> Command:
    fields: Json = {"jobId": job.id, "title": key}
    if random_source.random() < 0.3:
        version = job.version + 1
        return Command("updateJob", fields | {"expectedVersion": job.version}, "JOB_UPDATED", key, version=version)
    return Command("updateJob", fields, "JOB_UPDATED", key)


def _add(random_source: random.Random, job: JobView, key: str) -> Command:
    fields: Json = {"jobId": job.id, "scene": new_scene(random_source, key), "idempotencyKey": key}
    if random_source.random() < 0.5:
        fields["position"] = 0
    return Command("addScene", fields, "SCENE_ADDED", key, selection="scene { id } job { id version }")


def _cancel_job(random_source: random.Random, job: JobView, key: str) -> Command:
    fields: Json = {"jobId": job.id, "idempotencyKey": key}
    if random_source.random() < 0.5:
        # Canceling starts with an event of the job itself.
        version = job.version + 1
        return Command("cancelJob", fields | {"expectedVersion": job.version}, "JOB_CANCELED", version=version)
    return Command("cancelJob", fields, "JOB_CANCELED", certain=False)


def _edit(scene: Json, key: str) -> Command:
    return Command("updateScene", {"sceneId": scene["id"], "title": key}, EDITED, key, scene["id"])


def _report(random_source: random.Random, scene: Json, key: str, clips: str) -> Command:
    status = random_source.choice(["PROCESSING", "PROCESSING", "COMPLETED", "COMPLETED", "FAILED", "CANCELED"])
    fields: Json = {"sceneId": scene["id"], "title": key, "status": status}
    if status == "PROCESSING":
        fields |= {"percentage": random_source.uniform(0, 100), "providerId": f"external-{key}"}
    elif status == "COMPLETED":
        adopted = random_source.random() < ADOPTED
        fields["outputUrl"] = f"{clips if adopted else 'https://example.org'}/{key}.mp4"
        fields |= {"adoptOutput": True} if adopted else {}
    elif status == "FAILED":
        fields["failure"] = {"code": "EXTERNAL", "message": f"It broke at {key}."}
    return Command("updateScene", fields, EDITED, key, scene["id"])


def _fraction(random_source: random.Random, scene: Json) -> Command:
    return Command("updateScene", {"sceneId": scene["id"], "percentage": random_source.uniform(0, 100)}, "")


def _regenerate(random_source: random.Random, scene: Json, key: str) -> Command:
    fields: Json = {"sceneId": scene["id"], "prompt": key}
    if random_source.random() < 0.7:
        fields["idempotencyKey"] = key
    return Command("regenerateScene", fields, "SCENE_REGENERATED", key, scene["id"])


def _delete(scene: Json) -> Command:
    return Command("deleteScene", {"sceneId": scene["id"]}, "SCENE_DELETED", "", scene["id"])


def _cancel(scene: Json) -> Command:
    fields = {"sceneId": scene["id"], "expectedVersion": scene["version"]}
    return Command("cancelScene", fields, "SCENE_CANCELED", "", scene["id"])


def _move(random_source: random.Random, job: JobView, scene: Json) -> Command:
    position = random_source.choice([place for place in range(len(job.scenes)) if place != scene["position"]])
    fields = {"sceneId": scene["id"], "position": position, "expectedVersion": scene["version"]}
    return Command("moveScene", fields, "SCENES_REORDERED", "", scene["id"])
