"""What a writer may want of a job, by how it looks."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.chaos.ledger import EDITED

Json = dict[str, Any]
MOST_SCENES = 9
OPEN = ("PENDING", "PROCESSING")


class View(NamedTuple):
    """A job as a writer saw it just now."""

    id: str
    version: int
    status: str
    scenes: list[Json]


@dataclass(frozen=True)
class Wish:
    """A mutation, and the change that must be in the log once it is acknowledged; `deed` empty when none must."""

    mutation: str
    input: Json
    deed: str
    value: str = ""
    scene_id: str | None = None
    sure: bool = True
    # The version that the change gets if it is made, when the server was told to make it then or never.
    exactly: int | None = None
    fields: str = field(default="job { id version } ")

    @property
    def kind(self) -> str:
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
        return f"""mutation($input: {self.kind}!) {{
            {self.mutation}(input: $input) {{ {self.fields} errors {{ code message path }} }}
        }}"""


def new_job(chance: random.Random, key: str, provider: str, scenes: int, pad: int = 0) -> Wish:
    """A job with some scenes, started or not."""
    fields: Json = {
        "title": f"Job {key}",
        "provider": provider,
        "scenes": [new_scene(chance, f"{key}-{number}") for number in range(scenes)],
        "start": chance.random() < 0.7,
        "metadata": {"pad": "x" * pad},
        "idempotencyKey": key,
    }
    return Wish("createJob", fields, "JOB_CREATED", key)


def new_scene(chance: random.Random, prompt: str) -> Json:
    """A scene whose render takes about a second and succeeds, fails, recovers or stalls."""
    script: Json = {"steps": chance.randint(2, 8), "stepSeconds": round(chance.uniform(0.02, 0.25), 3)}
    script |= chance.choice([{}, {}, {}, {"outcome": "fail"}, {"failTakes": 1}, {"failTakes": 2}, {"outcome": "stall"}])
    return {"prompt": prompt, "metadata": {"script": script}}


def choose(chance: random.Random, job: View, key: str, provider: str) -> Wish:
    """Anything that could be asked of the job; what it refuses is part of the game."""
    wishes: list[tuple[int, Callable[[], Wish]]] = [(3, lambda: _retitle(chance, job, key))]
    if len(job.scenes) < MOST_SCENES:
        wishes.append((2, lambda: _add(chance, job, key)))
    if job.status == "PENDING":
        wishes.append(
            (3, lambda: Wish("startJob", {"jobId": job.id, "idempotencyKey": key}, "JOB_STARTED", sure=False))
        )
    if job.status in OPEN:
        wishes.append((1, lambda: _cancel_job(chance, job, key)))
    if job.scenes:
        scene = chance.choice(job.scenes)
        reports = 6 if provider == "external" else 1
        wishes += [
            (3, lambda: _edit(scene, key)),
            (reports, lambda: _report(chance, scene, key)),
            (reports, lambda: _fraction(chance, scene)),
            (4 if scene["status"] not in OPEN else 1, lambda: _regenerate(chance, scene, key)),
            (1, lambda: _delete(scene)),
        ]
        if scene["status"] in OPEN:
            wishes.append((2, lambda: _cancel(scene)))
        if len(job.scenes) > 1:
            wishes.append((2, lambda: _move(chance, job, scene)))
    weights = [weight for weight, _ in wishes]
    ((_, make),) = chance.choices(wishes, weights)
    return make()


def _retitle(chance: random.Random, job: View, key: str) -> Wish:
    fields: Json = {"jobId": job.id, "title": key}
    if chance.random() < 0.3:
        exactly = job.version + 1
        return Wish("updateJob", fields | {"expectedVersion": job.version}, "JOB_UPDATED", key, exactly=exactly)
    return Wish("updateJob", fields, "JOB_UPDATED", key)


def _add(chance: random.Random, job: View, key: str) -> Wish:
    fields: Json = {"jobId": job.id, "scene": new_scene(chance, key), "idempotencyKey": key}
    if chance.random() < 0.5:
        fields["position"] = 0
    return Wish("addScene", fields, "SCENE_ADDED", key, fields="scene { id } job { id version }")


def _cancel_job(chance: random.Random, job: View, key: str) -> Wish:
    fields: Json = {"jobId": job.id, "idempotencyKey": key}
    if chance.random() < 0.5:
        # Canceling starts with an event of the job itself.
        exactly = job.version + 1
        return Wish("cancelJob", fields | {"expectedVersion": job.version}, "JOB_CANCELED", exactly=exactly)
    return Wish("cancelJob", fields, "JOB_CANCELED", sure=False)


def _edit(scene: Json, key: str) -> Wish:
    return Wish("updateScene", {"sceneId": scene["id"], "title": key}, EDITED, key, scene["id"])


def _report(chance: random.Random, scene: Json, key: str) -> Wish:
    status = chance.choice(["PROCESSING", "PROCESSING", "COMPLETED", "COMPLETED", "FAILED", "CANCELED"])
    fields: Json = {"sceneId": scene["id"], "title": key, "status": status}
    if status == "PROCESSING":
        fields |= {"percentage": chance.uniform(0, 100), "providerId": f"theirs-{key}"}
    elif status == "COMPLETED":
        fields["outputUrl"] = f"https://example.org/{key}.mp4"
    elif status == "FAILED":
        fields["failure"] = {"code": "THEIRS", "message": f"It broke at {key}."}
    return Wish("updateScene", fields, EDITED, key, scene["id"])


def _fraction(chance: random.Random, scene: Json) -> Wish:
    return Wish("updateScene", {"sceneId": scene["id"], "percentage": chance.uniform(0, 100)}, "")


def _regenerate(chance: random.Random, scene: Json, key: str) -> Wish:
    fields: Json = {"sceneId": scene["id"], "prompt": key}
    if chance.random() < 0.7:
        fields["idempotencyKey"] = key
    return Wish("regenerateScene", fields, "SCENE_REGENERATED", key, scene["id"])


def _delete(scene: Json) -> Wish:
    return Wish("deleteScene", {"sceneId": scene["id"]}, "SCENE_DELETED", "", scene["id"])


def _cancel(scene: Json) -> Wish:
    fields = {"sceneId": scene["id"], "expectedVersion": scene["version"]}
    return Wish("cancelScene", fields, "SCENE_CANCELED", "", scene["id"])


def _move(chance: random.Random, job: View, scene: Json) -> Wish:
    position = chance.choice([place for place in range(len(job.scenes)) if place != scene["position"]])
    fields = {"sceneId": scene["id"], "position": position, "expectedVersion": scene["version"]}
    return Wish("moveScene", fields, "SCENES_REORDERED", "", scene["id"])
