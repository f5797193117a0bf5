"""The state machine: the rules of owners and external workers, and what happens around them."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from coordinator.commands.inputs import SceneEdit
from coordinator.commands.scheduling import EXTERNAL
from models.domain.access import LOCAL, Viewer
from models.domain.errors import ErrorCode
from models.domain.lifecycle import SceneStatus
from tests.any_order import api
from tests.any_order.env import CrashPoint
from tests.any_order.harness import ModelCommand
from tests.any_order.model import ModelJob
from tests.any_order.model_scene import COMPLETED, ModelScene
from tests.any_order.model_state import Events, Refused
from tests.any_order.render_rules import CRASHES, PERCENTAGES, PICKS, PROVIDER_IDS, SELDOM, USUALLY
from tests.any_order.side_events import SideEvents
from tests.any_order.targets import Targets
from tests.any_order.trace import recorded
from tests.support.client import Json
from tests.support.domain import OURS

STRANGER = Viewer(id="stranger", name="Stranger", roles=())
CLIP_URL = "https://clips.test/clip.mp4"
TITLES = st.sampled_from(["A", "B"])
# "stale" is the owner with an expectedVersion that is one too low.
CALLERS = st.sampled_from([*["owner"] * 6, "stale", "stranger"])
JOB_VERBS = st.sampled_from(
    ["start", "start", "update", "add", "add", "cancel", "reorder", "delete", "restore", "restore"]
)
SCENE_VERBS = st.sampled_from(
    ["regenerate", "regenerate", "cancel", "delete", "delete", "move", "restore", "restore", "select", "select"]
)
JOB_MUTATIONS = {
    "start": "startJob",
    "cancel": "cancelJob",
    "update": "updateJob",
    "add": "addScene",
    "reorder": "reorderScenes",
    "delete": "deleteJob",
    "restore": "restoreJob",
}
SCENE_MUTATIONS = {verb: f"{verb}Scene" for verb in ("regenerate", "cancel", "delete", "move", "restore")}
SCENE_MUTATIONS["select"] = "selectTake"
WITHOUT_KEY = ("update", "reorder")


class AnyOrder(SideEvents):
    """Few rules with many verbs each: Hypothesis disables rules at random, and long chains need many verbs."""

    @initialize(count=st.integers(1, 4), start=st.booleans(), internal=USUALLY)
    @recorded
    def create_first_job(self, count: int = 1, start: bool = True, internal: bool = True) -> None:
        self.create(count, start=start, internal=internal)

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(count=st.integers(0, 4), start=USUALLY, internal=USUALLY)
    @recorded
    def create_job(self, count: int = 1, start: bool = True, internal: bool = True) -> None:
        self.create(count, start=start and count > 0, internal=internal)

    def create(self, count: int, *, start: bool, internal: bool) -> None:
        scenes = [{"prompt": f"prompt {number}"} for number in range(count)]
        provider = OURS if internal else EXTERNAL
        fields: Json = {"title": "A job", "scenes": scenes, "provider": provider, "start": start}
        fields["idempotencyKey"] = self.new_key()
        job = ModelJob("", internal)

        async def real() -> Json:
            payload = await api.mutate(self.env.container, "createJob", fields)
            job.id = payload["job"]["id"]
            created = await api.full_job(self.env.container, job.id)
            assert created is not None
            job.order = [ModelScene(scene["id"]) for scene in created["scenes"]["nodes"]]
            assert len(job.order) == count
            self.jobs.append(job)
            return payload

        payload = self.run(job, lambda: job.create(start=start), real)
        assert payload is not None
        self.check_payload(job, "createJob", fields, payload)

    @precondition(lambda self: self.jobs)
    @rule(
        verb=JOB_VERBS,
        caller=CALLERS,
        pick=PICKS,
        title=TITLES,
        position=st.none() | st.integers(-1, 5),
        with_key=SELDOM,
        valid=USUALLY,
        crash=CRASHES,
    )
    @recorded
    def change_job(
        self,
        verb: str,
        caller: str = "owner",
        pick: int = 0,
        title: str = "A",
        position: int | None = None,
        with_key: bool = False,
        valid: bool = True,
        crash: CrashPoint | None = None,
    ) -> None:
        job = self.pick_job(pick)
        shift = pick % (len(job.scenes) + 1)
        # An invalid order lacks a scene.
        order = [*job.scenes[shift:], *job.scenes[:shift]][: None if valid else -1]
        commands: dict[str, ModelCommand] = {
            "start": job.start,
            "cancel": job.cancel,
            "update": lambda: job.rename(title),
            "add": lambda: job.add_scene(ModelScene(self.new_scene_id(job)), position),
            "reorder": lambda: job.reorder(order),
            "delete": job.delete,
            "restore": job.restore,
        }
        details: dict[str, Json] = {
            "update": {"title": title},
            "add": {"scene": {"prompt": "one more"}, "position": position},
            "reorder": {"sceneIds": [scene.id for scene in order]},
        }
        version = len(job.log) - 1 if caller == "stale" else len(job.log)
        fields = {"jobId": job.id, "expectedVersion": version} | details.get(verb, {})
        if with_key and verb not in WITHOUT_KEY:
            fields["idempotencyKey"] = self.new_key()
        model = as_caller(caller, commands[verb])
        self.mutate(job, model, JOB_MUTATIONS[verb], fields, viewer_of(caller), crash)

    @precondition(Targets.has_scenes)
    @rule(
        verb=SCENE_VERBS,
        caller=CALLERS,
        pick=PICKS,
        valid=USUALLY,
        position=st.integers(-1, 5),
        with_key=SELDOM,
        crash=CRASHES,
    )
    @recorded
    def change_scene(
        self,
        verb: str,
        caller: str = "owner",
        pick: int = 0,
        valid: bool = True,
        position: int = 0,
        with_key: bool = False,
        crash: CrashPoint | None = None,
    ) -> None:
        job, scene = self.pick_scene_for(verb, pick, valid=valid)
        takes = self.checks.takes(scene.id)
        selectable = [take for take in takes if valid and take["number"] in scene.kept_clips] or takes
        take = selectable[position % len(selectable)]
        commands: dict[str, ModelCommand] = {
            "regenerate": lambda: job.regenerate(scene),
            "cancel": lambda: job.cancel_scene(scene),
            "delete": lambda: job.delete_scene(scene),
            "move": lambda: job.move_scene(scene, position),
            "restore": lambda: job.restore_scene(scene),
            "select": lambda: job.select_take(scene, take["number"]),
        }
        version = self.checks.version(scene.id)
        fields: Json = {"expectedVersion": version - 1 if caller == "stale" else version}
        fields |= {"takeId": take["id"]} if verb == "select" else {"sceneId": scene.id, "jobId": job.id}
        fields |= {"position": position} if verb == "move" else {}
        if with_key and verb == "regenerate":
            fields["idempotencyKey"] = self.new_key()
        # ALREADY_DELETED comes before STALE_VERSION.
        is_deleted = job.is_deleted or (scene.deleted and verb != "restore")
        model = commands[verb] if caller == "stale" and is_deleted else as_caller(caller, commands[verb])
        self.mutate(job, model, SCENE_MUTATIONS[verb], fields, viewer_of(caller), crash)

    @precondition(Targets.has_scenes)
    @rule(
        pick=PICKS,
        status=st.none() | st.sampled_from(SceneStatus),
        title=st.none() | TITLES,
        provider_id=st.none() | PROVIDER_IDS,
        percentage=st.none() | PERCENTAGES,
        take=st.sampled_from([None, None, "current", "next", "previous"]),
        crash=CRASHES,
    )
    @recorded
    def update_scene(
        self,
        pick: int = 0,
        status: SceneStatus | None = None,
        title: str | None = None,
        provider_id: str | None = None,
        percentage: float | None = None,
        take: str | None = None,
        crash: CrashPoint | None = None,
    ) -> None:
        job, scene = self.pick_scene(pick)
        edit: SceneEdit = {}
        if take is not None:
            edit["take_number"] = scene.take + {"current": 0, "next": 1, "previous": -1}[take]
        if status is not None:
            edit["status"] = status
        if title is not None:
            edit["title"] = title
        if provider_id is not None:
            edit["provider_id"] = provider_id
        if percentage is not None:
            edit["percentage"] = percentage
        names = {"provider_id": "providerId", "take_number": "takeNumber"}
        fields = {names.get(name, name): value for name, value in edit.items()}
        fields["sceneId"] = scene.id
        self.mutate(job, lambda: job.update_scene(scene, edit), "updateScene", fields, crash=crash)

    @precondition(lambda self: any(not job.internal and job.order for job in self.jobs))
    @rule(pick=PICKS, crash=CRASHES)
    @recorded
    def deliver(self, pick: int = 0, crash: CrashPoint | None = None) -> None:
        """An external worker reports where its clip is, which is to be adopted."""
        job, scene = self.pick_delivered(pick)
        fields = {"sceneId": scene.id, "status": COMPLETED, "outputUrl": CLIP_URL, "adoptOutput": True}
        self.mutate(job, lambda: job.deliver(scene), "updateScene", fields, crash=crash)


def viewer_of(caller: str) -> Viewer:
    """Return the viewer on whose behalf a rule calls the API."""
    return STRANGER if caller == "stranger" else LOCAL


def as_caller(caller: str, model: ModelCommand) -> ModelCommand:
    """Return the model's command for the owner, and a refusal for a stale version or a stranger."""

    def refuse() -> Events:
        raise Refused(ErrorCode.STALE_VERSION if caller == "stale" else ErrorCode.NOT_FOUND)

    return model if caller == "owner" else refuse
