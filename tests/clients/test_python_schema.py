"""The Python client agrees with the schema and the rules of the server, and its package contains what it needs."""

import subprocess
import tomllib
import zipfile
from datetime import datetime
from pathlib import Path
from typing import get_type_hints

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, parse, validate
from hypothesis import given, strategies

from models.domain.folding import folded_title, search_patterns
from scenewire import EventType, enums, inputs
from scenewire.decoding import camel
from scenewire.documents import FOLLOW, FOLLOW_JOBS, JOB, JOB_IDS, JOBS, MUTATIONS, SCENE, SERVER_INFO, VIEWER
from scenewire.listing import is_part
from scenewire.version import VERSION
from server.graphql.schema import executable_schema
from tests.support.server_process import ROOT

PACKAGE = ROOT / "clients" / "python"
DOCUMENTS = {
    **MUTATIONS,
    "FOLLOW": FOLLOW,
    "FOLLOW_JOBS": FOLLOW_JOBS,
    "JOB": JOB,
    "JOBS": JOBS,
    "JOB_IDS": JOB_IDS,
    "SCENE": SCENE,
    "VIEWER": VIEWER,
    "SERVER_INFO": SERVER_INFO,
}
ENUMS = [each.__name__ for each in enums.OpenEnum.__subclasses__()]
# Each typed dictionary, its input of the schema, and the fields that are parameters of the call.
INPUTS = {
    "RenderSettings": ("RenderSettingsInput", set[str]()),
    "RenderInput": ("RenderInputInput", set[str]()),
    "Failure": ("FailureInput", set[str]()),
    "NewScene": ("NewSceneInput", set[str]()),
    "NewJob": ("CreateJobInput", set[str]()),
    "JobUpdate": ("UpdateJobInput", {"jobId"}),
    "JobAction": ("JobActionInput", {"jobId"}),
    "AddedScene": ("AddSceneInput", {"jobId", "scene"}),
    "SceneEdit": ("UpdateSceneInput", set[str]()),
    "Regeneration": ("RegenerateSceneInput", {"sceneId"}),
    "SceneOptions": ("SceneActionInput", {"sceneId"}),
    "TakeOptions": ("SelectTakeInput", {"takeId"}),
    "Batch": ("SceneBatchInput", {"jobId"}),
    "Edits": ("UpdateScenesInput", {"jobId", "scenes"}),
    "TokenOptions": ("CreateTokenInput", {"grants"}),
    "JobFilter": ("JobFilter", set[str]()),
    "JobOrder": ("JobOrder", set[str]()),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_of_the_client_is_valid(name: str) -> None:
    """Every field that the client selects exists."""
    assert [error.message for error in validate(executable_schema().core, parse(DOCUMENTS[name]))] == []


@pytest.mark.parametrize("name", INPUTS)
def test_input_of_the_client_has_the_fields_of_the_schema(name: str) -> None:
    """A new field of the schema needs a key in clients/python/src/scenewire/inputs.py."""
    kind, parameters = INPUTS[name]
    schema = executable_schema().core.type_map[kind]
    assert isinstance(schema, GraphQLInputObjectType)
    keys = {camel(key) for key in get_type_hints(getattr(inputs, name))}
    assert keys == set(schema.fields) - parameters


@pytest.mark.parametrize("name", ENUMS)
def test_enum_of_the_client_has_the_values_of_the_schema(name: str) -> None:
    """In the same order."""
    schema = executable_schema().core.type_map[name]
    assert isinstance(schema, GraphQLEnumType)
    assert [member.value for member in getattr(enums, name)] == list(schema.values)


def test_enum_keeps_a_value_of_a_newer_server() -> None:
    """An event type that this version does not name does not end a stream."""
    assert EventType("SCENE_DREAMT") == "SCENE_DREAMT"
    assert str(EventType("SCENE_DREAMT")) == "SCENE_DREAMT"
    assert EventType("JOB_CREATED") is EventType.JOB_CREATED


TEXTS = strategies.text(alphabet="aAiIıİßsSΣσς\u0307éE\u0301 x", max_size=5)


@given(TEXTS, TEXTS, TEXTS)
def test_search_of_the_client_finds_what_the_server_finds(before: str, search: str, behind: str) -> None:
    """Both fold a part of a title in the same way."""
    title = before + search + behind
    assert is_part(search, title) == any(part in folded_title(title) for part in search_patterns(search))


def test_inputs_are_sent_with_the_names_of_the_schema() -> None:
    """The caller's own data is unchanged, None stays, and a datetime has an offset."""
    assert inputs.to_json(
        {"job_id": "x", "metadata": {"my_key": {"a_b": 1}}, "scenes": [{"duration_seconds": None}]}
    ) == {
        "jobId": "x",
        "metadata": {"my_key": {"a_b": 1}},
        "scenes": [{"durationSeconds": None}],
    }
    with pytest.raises(ValueError, match="has no offset"):
        inputs.to_json({"updated_since": datetime(2026, 1, 31)})  # noqa: DTZ001 # what is refused


def test_wheel_contains_the_package_and_its_types(tmp_path: Path) -> None:
    """It is built without a download, and with the version of the module."""
    uv = ROOT / ".venv" / "tool" / "bin" / "uv"
    subprocess.run([uv, "build", "--quiet", "--offline", "--wheel", "-o", tmp_path, PACKAGE], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"scenewire-{VERSION}-py3-none-any.whl"
    sources = {f"scenewire/{path.name}" for path in (PACKAGE / "src" / "scenewire").iterdir() if path.is_file()}
    assert "scenewire/py.typed" in sources
    with zipfile.ZipFile(wheel) as packed:
        assert {name for name in packed.namelist() if ".dist-info/" not in name and name != "scenewire/"} == sources
    assert tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]["version"] == VERSION
