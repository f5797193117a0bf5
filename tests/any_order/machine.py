"""The rules: every verb and report in any order, the late, the refused and the killed among them."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from coordinator.commands.inputs import SceneEdit
from coordinator.commands.scheduling import EXTERNAL
from coordinator.storage import purge
from models.db.tables import JOB, SCENE
from models.domain.access import LOCAL, Viewer
from models.domain.errors import ErrorCode
from models.domain.lifecycle import SceneStatus
from tests.any_order import asking
from tests.any_order.bench import Bench
from tests.any_order.model import ModelJob
from tests.any_order.model_facts import Events, No
from tests.any_order.model_scene import OPEN, ModelScene
from tests.any_order.renders import DEATHS, OFTEN, PERCENTAGES, PICKS, PROVIDER_IDS, SELDOM, Renders
from tests.any_order.world import Death
from tests.support.client import Json
from tests.support.domain import OURS

STRANGER = Viewer(id="stranger", name="Stranger", roles=())
PLACES = st.none() | st.integers(-1, 5)
TITLES = st.sampled_from(["A", "B"])
WHO = st.sampled_from([*["owner"] * 6, "late", "stranger"])
JOB_VERBS = st.sampled_from(
    ["start", "start", "update", "add", "add", "cancel", "reorder", "delete", "restore", "restore"]
)
SCENE_VERBS = st.sampled_from(["regenerate", "regenerate", "cancel", "delete", "move", "restore", "select", "select"])
MEANWHILE = st.sampled_from(["killed", "finished", "finished", "said again", "said again", "too late"])
MUTATIONS = {
    "start": "startJob",
    "cancel": "cancelJob",
    "update": "updateJob",
    "add": "addScene",
    "reorder": "reorderScenes",
    "delete": "deleteJob",
    "restore": "restoreJob",
}
SCENE_MUTATIONS = {verb: f"{verb}Scene" for verb in ("regenerate", "cancel", "delete", "move", "restore")}


class AnyOrder(Renders):
    """Few rules with many verbs each: Hypothesis leaves out rules at random, and long chains need many."""

    @initialize(count=st.integers(1, 4), start=OFTEN, ours=OFTEN)
    def create_the_first_job(self, count: int, start: bool, ours: bool) -> None:
        self.create(count, start=start, ours=ours)

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(count=st.integers(0, 4), start=OFTEN, ours=OFTEN)
    def create_a_job(self, count: int, start: bool, ours: bool) -> None:
        self.create(count, start=start and count > 0, ours=ours)

    def create(self, count: int, *, start: bool, ours: bool) -> None:
        scenes = [{"prompt": f"prompt {number}"} for number in range(count)]
        provider = OURS if ours else EXTERNAL
        wanted: Json = {"title": "A job", "scenes": scenes, "provider": provider, "start": start}
        wanted["idempotencyKey"] = self.key()
        job = ModelJob("", ours)

        def created() -> Events:
            return job.created(start=start)

        async def real() -> Json:
            payload = await asking.mutate(self.world.container, "createJob", wanted)
            job.id = payload["job"]["id"]
            shown = await asking.whole(self.world.container, job.id)
            assert shown is not None
            job.order = [ModelScene(scene["id"]) for scene in shown["scenes"]["nodes"]]
            assert len(job.order) == count
            self.jobs.append(job)
            return payload

        payload = self.does(job, created, real)
        assert payload is not None
        self.accepted(job, "createJob", wanted, payload)

    @precondition(lambda self: self.jobs)
    @rule(verb=JOB_VERBS, who=WHO, pick=PICKS, title=TITLES, place=PLACES, keyed=SELDOM, good=OFTEN, death=DEATHS)
    def change_a_job(
        self,
        verb: str,
        who: str,
        pick: int,
        title: str,
        place: int | None,
        keyed: bool,
        good: bool,
        death: Death | None,
    ) -> None:
        job = self.job(pick)
        # Another order, by turning it as far as chance has it.
        turned = pick % (len(job.scenes) + 1)
        order = [*job.scenes[turned:], *job.scenes[:turned]][: None if good else -1]
        models: dict[str, Callable[[], Events]] = {
            "start": job.start,
            "cancel": job.cancel,
            "update": lambda: job.rename(title),
            "add": lambda: job.add(ModelScene(self.unknown_scene(job)), place),
            "reorder": lambda: job.reorder(order),
            "delete": job.put_away,
            "restore": job.bring_back,
        }
        details: dict[str, Json] = {
            "update": {"title": title},
            "add": {"scene": {"prompt": "one more"}, "position": place},
            "reorder": {"sceneIds": [scene.id for scene in order]},
        }
        version = len(job.log) - 1 if who == "late" else len(job.log)
        wanted = {"jobId": job.id, "expectedVersion": version} | details.get(verb, {})
        if keyed and verb not in ("update", "reorder"):
            wanted["idempotencyKey"] = self.key()
        viewer = STRANGER if who == "stranger" else LOCAL
        self.asks(job, refusing(who, models[verb]), MUTATIONS[verb], wanted, viewer, death)

    @precondition(Bench.some_scene)
    @rule(verb=SCENE_VERBS, who=WHO, pick=PICKS, good=OFTEN, place=st.integers(-1, 5), keyed=SELDOM, death=DEATHS)
    def change_a_scene(
        self, verb: str, who: str, pick: int, good: bool, place: int, keyed: bool, death: Death | None
    ) -> None:
        job, scene = self.scene_for(verb, pick, good=good)
        takes = self.checks.takes(scene.id)
        clips = [take for take in takes if good and take["number"] in scene.clips]
        take = (clips or takes)[place % len(clips or takes)]
        models: dict[str, Callable[[], Events]] = {
            "regenerate": lambda: job.regenerate(scene),
            "cancel": lambda: job.cancel_scene(scene),
            "delete": lambda: job.delete(scene),
            "move": lambda: job.move(scene, place),
            "restore": lambda: job.restore(scene),
            "select": lambda: job.select(scene, take["number"]),
        }
        version = self.checks.version(scene.id)
        wanted: Json = {"expectedVersion": version - 1 if who == "late" else version}
        wanted |= {"takeId": take["id"]} if verb == "select" else {"sceneId": scene.id, "jobId": job.id}
        wanted |= {"position": place} if verb == "move" else {}
        if keyed and verb == "regenerate":
            wanted["idempotencyKey"] = self.key()
        # What is deleted refuses whoever it is that may see it.
        dead = job.gone or (scene.deleted and verb != "restore")
        model = models[verb] if who == "late" and dead else refusing(who, models[verb])
        viewer = STRANGER if who == "stranger" else LOCAL
        self.asks(job, model, SCENE_MUTATIONS.get(verb, "selectTake"), wanted, viewer, death)

    @precondition(Bench.some_scene)
    @rule(
        pick=PICKS,
        status=st.none() | st.sampled_from(SceneStatus),
        title=st.none() | TITLES,
        provider_id=st.none() | PROVIDER_IDS,
        percentage=st.none() | PERCENTAGES,
        death=DEATHS,
    )
    def report_from_outside(
        self,
        pick: int,
        status: SceneStatus | None,
        title: str | None,
        provider_id: str | None,
        percentage: float | None,
        death: Death | None,
    ) -> None:
        job, scene = self.scene(pick)
        edit: SceneEdit = {}
        if status is not None:
            edit["status"] = status
        if title is not None:
            edit["title"] = title
        if provider_id is not None:
            edit["provider_id"] = provider_id
        if percentage is not None:
            edit["percentage"] = percentage
        told = {"providerId" if name == "provider_id" else name: value for name, value in edit.items()}
        self.asks(job, lambda: job.report(scene, edit), "updateScene", {"sceneId": scene.id} | told, death=death)

    @rule(what=MEANWHILE, pick=PICKS, good=OFTEN)
    def meanwhile(self, what: str, pick: int, good: bool) -> None:
        match what:
            case "killed":
                if self.rows != self.restarted:
                    self.restart()
            case "finished":
                self.finish(pick)
            case "said again" if self.keyed:
                self.say_it_again(*self.keyed[pick % len(self.keyed)], same=good)
            case _:
                self.wait_too_long(pick, purges=good)

    def say_it_again(self, job: ModelJob, name: str, wanted: Json, *, same: bool) -> None:
        """The same key with the same request does nothing twice; with another it is refused."""
        if same:
            payload = self.runner.run(asking.mutate(self.world.container, name, wanted))
            assert payload["job"] == asking.brief(payload["job"], self.checks.seen[job.id])
        else:
            name = "startJob" if name != "startJob" else "cancelJob"
            other = {"jobId": job.id, "idempotencyKey": wanted["idempotencyKey"]}
            no = self.outcome(lambda: asking.mutate(self.world.container, name, other))
            assert isinstance(no, No), no
            assert no.code is ErrorCode.IDEMPOTENCY_CONFLICT
        assert self.world.rows() == self.rows

    def finish(self, pick: int) -> None:
        """Somebody makes the clips of a job that are missing: by chance alone few jobs are ever completed."""
        unfinished = [job for job in self.jobs if not job.gone and any(scene.status in OPEN for scene in job.scenes)]
        if not unfinished:
            return
        job = unfinished[pick % len(unfinished)]
        for scene in [scene for scene in job.scenes if scene.status in OPEN]:
            told = {"sceneId": scene.id, "status": SceneStatus.COMPLETED}
            done: SceneEdit = {"status": SceneStatus.COMPLETED}
            self.asks(job, lambda scene=scene, done=done: job.report(scene, done), "updateScene", told)

    def wait_too_long(self, pick: int, *, purges: bool) -> None:
        """What was deleted can no longer be restored; perhaps it is even removed."""
        away = [(job, scene) for job in self.jobs for scene in job.deleted]
        away += [(job, None) for job in self.jobs if job.gone]
        if not away:
            return
        job, scene = away[pick % len(away)]
        table, expired = (JOB, job) if scene is None else (SCENE, scene)
        expired.expired = True
        self.runner.run(self.world.expire(table, expired.id))
        if scene is not None:
            self.checks.waited(scene.id)
        if purges:
            container = self.world.container
            self.runner.run(purge.purge(container.store, container.media, container.bus))
            self.forget()
        self.rows = self.world.rows()
        for each in self.jobs:
            self.check(each, len(each.log))

    def forget(self) -> None:
        """What has been purged is no more."""
        for job in [job for job in self.jobs if job.expired]:
            job.purge()
            self.jobs.remove(job)
        self.keyed = [request for request in self.keyed if not request.job.purged]
        for job in self.jobs:
            job.purge_scenes()
            self.checks.gaps_closed(job)


def refusing(who: str, model: Callable[[], Events]) -> Callable[[], Events]:
    """The model's answer to the owner; whoever is late or a stranger is refused whatever they want."""

    def refuse() -> Events:
        raise No(ErrorCode.STALE_VERSION if who == "late" else ErrorCode.NOT_FOUND)

    return model if who == "owner" else refuse
