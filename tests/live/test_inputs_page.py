"""docs/inputs.md: each of its operations runs, in order, and its REST call is answered."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

from graphql import OperationDefinitionNode, OperationType, parse

from tests.support import jobs
from tests.support.client import Json
from tests.support.server_app import App, running

PAGE = Path(__file__).parents[2] / "docs" / "inputs.md"
TEXT = PAGE.read_text("utf-8")
MOST_LINES = 150


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


OPERATIONS = {
    definition.name.value: (block, definition)
    for block in _blocks("graphql")
    for definition in parse(block).definitions
    if isinstance(definition, OperationDefinitionNode) and definition.name is not None
}


async def _run(app: App, name: str, ids: Json) -> Any:
    """Run an operation of the page; a mutation must be accepted. Return its only field."""
    block, definition = OPERATIONS[name]
    wanted = {node.variable.name.value for node in definition.variable_definitions or ()}
    answer = await app.execute(block, **{each: ids[each] for each in wanted})
    (field,) = answer.values()
    if definition.operation is OperationType.MUTATION and name != "Refused":
        assert field["errors"] == [], field
    return field


async def test_operations_of_the_page_run_in_order(tmp_path: Path) -> None:
    """From the list of models to what the clip was really made with."""
    assert len(TEXT.splitlines()) < MOST_LINES
    done: list[str] = []

    async def run(name: str, **ids: str) -> Any:
        done.append(name)
        return await _run(app, name, ids)

    async with running(tmp_path, provider="local") as app:
        models = [model["id"] for model in await run("Models")]
        assert "local/placeholder" in models
        job = (await run("CreateJob"))["job"]
        assert job["provider"] == "local"
        first, second = job["scenes"]["nodes"]
        assert (first["settings"]["seed"], second["settings"]["seed"]) == (7, 8)
        await jobs.settled(app, job["id"])
        found = await jobs.job(app, job["id"], "scenes { nodes { currentTake { id status } } }")
        take = found["scenes"]["nodes"][0]["currentTake"]
        assert take["status"] == "COMPLETED"

        edited = (await run("UpdateScene", sceneId=first["id"]))["scene"]
        assert edited["settings"] == {"aspectRatio": "16:9", "seed": 7}
        assert edited["ownSettings"] == {"aspectRatio": "16:9", "seed": None}

        added = (await run("Continue", jobId=job["id"], takeId=take["id"]))["scene"]
        assert added["inputs"][0]["take"]["id"] == take["id"]
        (refused,) = (await run("Refused", sceneId=first["id"]))["errors"]
        assert (refused["code"], refused["path"]) == ("NOT_SUPPORTED", ["input", "inputs", "0", "role"])

        await jobs.settled(app, job["id"])
        found = await jobs.job(app, job["id"], "scenes { nodes { currentTake { id } } }")
        made = await run("Take", takeId=found["scenes"]["nodes"][2]["currentTake"]["id"])
        assert (made["status"], made["inputs"]) == ("COMPLETED", [{"role": "FIRST_FRAME"}])
        assert (made["settings"]["model"], made["settings"]["seed"]) == ("local/placeholder", 7)
        assert sorted(done) == sorted(OPERATIONS)

        await _call(app, job["id"], first["id"])


async def _call(app: App, job_id: str, scene_id: str) -> None:
    """Send the REST call of the page, whose words are those of curl."""
    (command,) = _blocks("sh")
    text = command.replace("$SERVER", app.url).replace("$JOB", job_id).replace("$SCENE", scene_id)
    words = shlex.split(text.replace("\\\n", " "))
    assert words[:3] == ["curl", "-X", "PUT"]
    answer = await app.http.put(words[3], json=json.loads(words[words.index("-d") + 1]))
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["settings"]["aspect_ratio"] == "1:1"
