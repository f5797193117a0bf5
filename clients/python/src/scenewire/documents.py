"""The documents that the client sends. What they select follows from the dataclasses."""

from scenewire.decoding import selection
from scenewire.models import (
    AccessToken,
    Job,
    JobSummary,
    Media,
    NewToken,
    Progress,
    Scene,
    SceneDetails,
    ServerInfo,
    Viewer,
)

ERRORS = """errors {
  __typename code message path
  ... on NotFoundError { id }
  ... on StateError { from to allowed }
  ... on ConflictError { currentVersion }
  ... on StaleTakeError { currentTakeNumber currentProviderId }
  ... on RateLimitedError { retryAfterSeconds quota { limit remaining resetAt } }
  ... on NotSupportedError { model acceptable: allowed alternatives { id } }
}"""

_JOB = f"fragment J on Job {{ {selection(Job)} }}"
_SUMMARY = f"fragment J on Job {{ {selection(JobSummary)} }}"
_SCENE = f"fragment S on Scene {{ {selection(SceneDetails)} }}"

FOLLOW = f"""subscription Follow($jobId: ID!, $after: Int, $untilSettled: Boolean!) {{
  jobEvents(jobId: $jobId, after: $after, untilSettled: $untilSettled) {{
    __typename
    ... on JobSnapshot {{ reason version job {{ ...J }} }}
    ... on JobEvent {{ version type sceneId occurredAt actorId changed job {{ ...J }} }}
    ... on SceneProgress {{
      sceneId takeNumber percentage preview {{ {selection(Media)} }} progress {{ {selection(Progress)} }}
    }}
  }}
}}
{_JOB}"""
FOLLOW_JOBS = f"subscription FollowJobs($filter: JobFilter) {{ jobsUpdated(filter: $filter) {{ ...J }} }}\n{_SUMMARY}"
JOB_IDS = """query JobIds($filter: JobFilter, $after: String) {
  jobs(first: 100, after: $after, filter: $filter) { nodes { id } pageInfo { hasNextPage endCursor } }
}"""

JOB = f"query Job($id: ID!) {{ job(id: $id) {{ ...J }} }}\n{_JOB}"
JOBS = f"""query Jobs($first: Int, $after: String, $filter: JobFilter, $orderBy: JobOrder, $includeDeleted: Boolean!) {{
  jobs(first: $first, after: $after, filter: $filter, orderBy: $orderBy, includeDeleted: $includeDeleted) {{
    nodes {{ ...J }} totalCount pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_SUMMARY}"""
SCENE = f"query Scene($id: ID!) {{ scene(id: $id) {{ ...S }} }}\n{_SCENE}"
VIEWER = f"query Viewer {{ viewer {{ {selection(Viewer)} }} }}"
SERVER_INFO = f"query ServerInfo {{ serverInfo {{ {selection(ServerInfo)} }} }}"

_JOB_ACTION = ("startJob", "cancelJob", "deleteJob", "restoreJob")
_SCENE_ACTION = ("cancelScene", "restoreScene")
_BATCH = ("regenerateScenes", "cancelScenes", "deleteScenes", "restoreScenes")

_INPUTS = {
    **dict.fromkeys(_JOB_ACTION, "JobActionInput"),
    **dict.fromkeys((*_SCENE_ACTION, "deleteScene"), "SceneActionInput"),
    **dict.fromkeys(_BATCH, "SceneBatchInput"),
    "revokeToken": "TokenActionInput",
}


def _mutation(name: str, answer: str, *fragments: str) -> str:
    kind = _INPUTS.get(name, f"{name[0].upper()}{name[1:]}Input")
    head = f"mutation {name[0].upper()}{name[1:]}($input: {kind}!)"
    return "\n".join([f"{head} {{ {name}(input: $input) {{ {answer} {ERRORS} }} }}", *fragments])


_RESULTS = f"results {{ sceneId scene {{ {selection(Scene)} }} {ERRORS} }} dryRun job {{ {selection(JobSummary)} }}"
MUTATIONS = {
    **{
        name: _mutation(name, "job { ...J }", _JOB)
        for name in ("createJob", "updateJob", *_JOB_ACTION, "reorderScenes")
    },
    **{
        name: _mutation(name, "scene { ...S }", _SCENE)
        for name in ("addScene", "updateScene", "regenerateScene", *_SCENE_ACTION, "selectTake", "moveScene")
    },
    **{name: _mutation(name, _RESULTS) for name in ("updateScenes", *_BATCH)},
    "createToken": _mutation("createToken", selection(NewToken)),
    "revokeToken": _mutation("revokeToken", f"token {{ {selection(AccessToken)} }}"),
    "deleteScene": _mutation("deleteScene", "deletedSceneId purgeAfter job { ...J }", _JOB),
}
"""The document of each mutation, by its name."""
