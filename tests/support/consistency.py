"""What must agree in one answer about a job, and the selections that show it."""

from collections import Counter

from tests.support.client import Json

PROGRESS = "version total pending processing completed failed canceled percentage currentStage updatedAt"
# Selected on every object that shows its job; it goes through several statements.
HEAD = (
    f"version status updatedAt output {{ url }} outputFailure {{ code }} progress {{ {PROGRESS} }} "
    "scenes { totalCount nodes { id status version } }"
)
JOB = f"id {HEAD} events(first: 100) {{ version type job {{ version }} }}"
SCENE = f"id status version job {{ {HEAD} }} currentTake {{ status isCurrent }}"

STAGES = {
    "PENDING": {"WAITING"},
    "PROCESSING": {"QUEUED", "GENERATING", "RETRYING"},
    "COMPLETED": {"ASSEMBLING", "DONE"},
    "FAILED": {"STOPPED"},
    "CANCELED": {"STOPPED"},
}


def check_job(job: Json) -> None:
    """Assert that the parts of a job agree."""
    progress, statuses = job["progress"], Counter(scene["status"] for scene in job["scenes"]["nodes"])
    assert (progress["version"], progress["updatedAt"]) == (job["version"], job["updatedAt"]), job
    check_counts(progress, statuses)
    assert job["scenes"]["totalCount"] == progress["total"], job
    assert max((scene["version"] for scene in job["scenes"]["nodes"]), default=0) <= job["version"], job
    check_stage(job, progress)
    if "events" in job and job["version"] <= 100:
        assert [event["version"] for event in job["events"]] == list(range(1, job["version"] + 1)), job
        assert {event["job"]["version"] for event in job["events"]} == {job["version"]}, job


def check_counts(progress: Json, statuses: Counter[str]) -> None:
    """Assert that the counts of a progress are those of the scenes."""
    counted = {status: progress[status.lower()] for status in ("PENDING", "PROCESSING", "COMPLETED", "FAILED")}
    counted["CANCELED"] = progress["canceled"]
    assert Counter(counted) == statuses, (progress, statuses)
    assert sum(counted.values()) == progress["total"], progress
    assert (progress["percentage"] == 100) == (progress["completed"] == progress["total"] > 0), progress


def check_stage(job: Json, progress: Json) -> None:
    """Assert that the stage agrees with the status, the video and its failure."""
    status, stage = job["status"], progress["currentStage"]
    assert stage in STAGES[status], job
    assert (stage == "GENERATING") == (status == "PROCESSING" and progress["processing"] > 0), job
    finished = [part for part in ("output", "outputFailure") if job[part] is not None]
    assert len(finished) == (stage == "DONE"), job
    if status in ("PROCESSING", "COMPLETED"):
        assert (status == "PROCESSING") == (progress["pending"] + progress["processing"] > 0), job


def check_scene(scene: Json) -> None:
    """Assert that a scene agrees with its job and its take."""
    check_job(scene["job"])
    (same,) = [each for each in scene["job"]["scenes"]["nodes"] if each["id"] == scene["id"]]
    assert (same["status"], same["version"]) == (scene["status"], scene["version"]), scene
    assert scene["currentTake"] == {"status": scene["status"], "isCurrent": True}, scene


def check_message(message: Json) -> None:
    """Assert that a message of jobEvents, with the parts of each kind as selected by `FEED`, agrees with itself."""
    match message["kind"]:
        case "JobSnapshot":
            assert message["version"] == message["job"]["version"], message
            check_job(message["job"])
        case "JobEvent":
            job = message["current"]
            assert message["version"] <= job["version"], message
            assert message["progress"]["version"] == job["version"], message
            check_job({**job, "progress": message["progress"]})
            if message["scene"] is not None:
                check_scene(message["scene"])
                assert message["scene"]["job"] == job, message
        case _:
            scene, progress = message["scene"], message["progress"]
            assert scene["percentage"] == message["percentage"], message
            assert scene["job"]["progress"] == progress, message
            assert progress["processing"] > 0, message
            check_job(scene["job"])


FEED = f"""
subscription Feed($id: ID!, $after: Int, $untilSettled: Boolean! = false) {{
  answer: jobEvents(jobId: $id, after: $after, untilSettled: $untilSettled) {{
    kind: __typename
    ... on JobSnapshot {{ version job {{ {JOB} }} }}
    ... on JobEvent {{ version current: job {{ {HEAD} }} progress {{ {PROGRESS} }} scene {{ {SCENE} }} }}
    ... on SceneProgress {{ percentage scene {{ percentage job {{ {HEAD} }} }} progress {{ {PROGRESS} }} }}
  }}
}}
"""


def check_rest(body: Json) -> None:
    """Assert that the scenes and the progress of a REST answer agree."""
    progress = body["progress"]
    check_counts(progress, Counter(scene["status"].upper() for scene in body["data"]))
    assert (progress["current_stage"] == "generating") == (progress["processing"] > 0), progress
