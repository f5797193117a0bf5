"""How rules choose what they act on: by a number modulo the candidates, so that every number is valid in any state."""

from collections.abc import Callable

from models.domain.lifecycle import JobStatus
from tests.any_order.harness import Harness, HeldClaim, IssuedTicket
from tests.any_order.model import ModelJob
from tests.any_order.model_scene import OPEN, ModelScene

PERMITS: dict[str, Callable[[ModelJob, ModelScene], bool]] = {
    "regenerate": lambda _, scene: scene.status not in OPEN,
    "cancel": lambda _, scene: scene.status in OPEN,
    "delete": lambda job, _: job.status is not JobStatus.PROCESSING,
    "move": lambda job, _: len(job.scenes) > 1,
    "restore": lambda _, scene: scene.deleted,
    "select": lambda _, scene: scene.status not in OPEN and bool(scene.kept_clips),
}


class Targets(Harness):
    """`valid` prefers a target that permits the command, if there is one: random choices would rarely hit one."""

    def has_scenes(self) -> bool:
        return any(job.order for job in self.jobs)

    def pick_job(self, pick: int) -> ModelJob:
        return self.jobs[pick % len(self.jobs)]

    def pick_scene(self, pick: int) -> tuple[ModelJob, ModelScene]:
        """Return any scene, a live one twice as often as a deleted one."""
        scenes = [(job, scene) for job in self.jobs for scene in [*job.scenes, *job.scenes, *job.deleted_scenes]]
        return scenes[pick % len(scenes)]

    def pick_delivered(self, pick: int) -> tuple[ModelJob, ModelScene]:
        """Return any scene, one of external workers three times as often as another one."""
        scenes = [(job, scene) for job in self.jobs for scene in job.order for _ in range(1 if job.internal else 3)]
        return scenes[pick % len(scenes)]

    def pick_scene_for(self, verb: str, pick: int, *, valid: bool) -> tuple[ModelJob, ModelScene]:
        fit = [
            (job, scene)
            for job in self.jobs
            for scene in (job.deleted_scenes if verb == "restore" else job.scenes)
            if valid and PERMITS[verb](job, scene)
        ]
        return fit[pick % len(fit)] if fit else self.pick_scene(pick)

    def pick_claim(self, pick: int, *, valid: bool) -> HeldClaim:
        current = [held for held in self.claims if held.job.is_held(held.scene, held.claim)] if valid else []
        claims = current or self.claims
        return claims[pick % len(claims)]

    def pick_ticket(self, pick: int, *, valid: bool) -> IssuedTicket:
        claimable = [each for each in self.tickets if each.job.is_claimable(each.scene, each.ticket.take_number)]
        tickets = (claimable if valid else []) or self.tickets
        return tickets[pick % len(tickets)]
