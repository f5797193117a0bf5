"""The documents that are measured. Every server answers the same ones, but for the names that PostGraphile gives."""

from typing import Any

SCENE_FIELDS: list[str] = [
    "id",
    "jobId",
    "position",
    "title",
    "prompt",
    "status",
    "percentage",
    "durationSeconds",
    "attempts",
    "version",
    "createdAt",
    "updatedAt",
]
JOB_FIELDS: list[str] = ["id", "title", "status", "version", "createdAt"]
PROGRESS_FIELDS: list[str] = [
    "total",
    "pending",
    "processing",
    "completed",
    "failed",
    "canceled",
    "percentage",
    "version",
    "updatedAt",
]
ONE_JOB_FIELDS: list[str] = ["id", "title", "status", "version", "createdAt", "updatedAt"]

BIG_LIST = (
    "query BigList { jobs(first: 50) { nodes { "
    f"{' '.join(JOB_FIELDS)} scenes {{ nodes {{ {' '.join(SCENE_FIELDS)} }} }} }} }} }}"
)
ONE_JOB = (
    f"query OneJob($id: ID!) {{ job(id: $id) {{ {' '.join(ONE_JOB_FIELDS)} "
    f"progress {{ {' '.join(PROGRESS_FIELDS)} }} }} }}"
)
UPDATE_SCENE = (
    "mutation Update($input: UpdateSceneInput!) { updateScene(input: $input) "
    "{ scene { id title version updatedAt } errors { message } } }"
)
CREATE_JOB = (
    "mutation Create($input: CreateJobInput!) { createJob(input: $input) "
    "{ job { id version status } errors { message } } }"
)

# The alias `v` of the version marks the messages that the subscribers of the benchmark count.
EVENTS = (
    "subscription Events($id: ID!, $after: Int) { jobEvents(jobId: $id, after: $after) { __typename "
    "... on JobSnapshot { v: version } ... on JobEvent { v: version type sceneId occurredAt } } }"
)
EVENTS_OF_A_PAGE = (
    "subscription Page($id: ID!, $after: Int) { jobEvents(jobId: $id, after: $after) { __typename "
    "... on JobSnapshot { v: version } ... on JobEvent { v: version type occurredAt "
    "scene { id position title prompt status percentage } "
    f"progress {{ {' '.join(PROGRESS_FIELDS)} }} }} }} }}"
)
PROGRESS = (
    "subscription Progress($id: ID!) { jobProgress(jobId: $id, minIntervalMs: 0) "
    f"{{ v: version {' '.join(name for name in PROGRESS_FIELDS if name != 'version')} }} }}"
)
STREAMS = {"events alone": EVENTS, "with scene and progress": EVENTS_OF_A_PAGE, "jobProgress": PROGRESS}


def body(query: str, **variables: Any) -> dict[str, Any]:
    """Return the payload of a request."""
    return {"query": query, "variables": variables} if variables else {"query": query}


def new_job(title: str, scenes: int, *, start: bool = False, provider: str = "external") -> dict[str, Any]:
    """Return the input of createJob."""
    each = {
        "title": "A scene",
        "prompt": "A lone lighthouse at golden hour, slow aerial push-in",
        "durationSeconds": 5.0,
    }
    return {"title": title, "provider": provider, "start": start, "scenes": [each] * scenes}
