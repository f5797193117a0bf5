"""The settings of ComfyUI, and what the documentation says of them (provider `comfyui`)."""

import re
from pathlib import Path

import pytest

from providers.comfyui.workflows.header import Header, Slots
from server.providers.providers import configured
from server.settings import Settings, WrongSettings, load
from tests.support.comfyui import EXAMPLES
from tests.support.server_process import ROOT

PAGE = (ROOT / "docs" / "providers.md").read_text("utf-8")
FIELDS = (EXAMPLES / "README.md").read_text("utf-8")
URL = "http://127.0.0.1:8188"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without settings of the environment, in the root of the repository."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENEWIRE_{name.upper()}", raising=False)
    monkeypatch.chdir(ROOT)


async def test_documented_command_configures_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the example's model as the default."""
    (command,) = re.findall(r"```sh\n(.*COMFYUI.*) make run\n```", PAGE)
    for assignment in command.split():
        monkeypatch.setenv(*assignment.split("=", 1))
    settings = load()
    providers = configured(settings)
    assert settings.provider == "comfyui"
    assert [model.name for model in await providers["comfyui"].models()] == ["wan-2.2-5b"]
    for provider in providers.values():
        await provider.close()


def test_every_field_of_a_template_is_documented() -> None:
    """And none that does not exist."""
    rows = re.findall(r"^\| (`.*?) \|", FIELDS, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    documented |= set(re.findall(r"`(durations_seconds)`", FIELDS))
    assert documented == set(Header.model_fields)
    (slots,) = re.findall(r"^\| `slots` \| (.*) \|", FIELDS, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", slots)) == set(Slots.model_fields)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"PROVIDER": "comfyui"}, "COMFYUI_URL must be set, the address of ComfyUI, because PROVIDER is comfyui"),
        ({"COMFYUI_URL": URL}, "COMFYUI_URL is set, so COMFYUI_WORKFLOWS must name a folder of workflow templates"),
        ({"COMFYUI_URL": "127.0.0.1:8188"}, "COMFYUI_URL: must be a URL such as http://127.0.0.1:8188"),
        ({"COMFYUI_URL": "http://user@host"}, "COMFYUI_URL: must be a URL such as http://127.0.0.1:8188"),
        ({"COMFYUI_HEADER": "secret"}, "COMFYUI_HEADER: must be a header such as Authorization: Bearer …"),
        ({"COMFYUI_HEADER": "x-key: a\nb: c"}, "COMFYUI_HEADER: must be a header such as Authorization: Bearer …"),
        (
            {"COMFYUI_URL": "http://gpu.test", "COMFYUI_WORKFLOWS": "w", "COMFYUI_HEADER": "x-key: secret"},
            "COMFYUI_URL must begin with https://, because COMFYUI_HEADER is sent to it",
        ),
    ],
    ids=["no address", "no folder", "no scheme", "user", "no header", "two headers", "header without encryption"],
)
def test_wrong_settings_are_named(variables: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, without the secret."""
    for name, value in variables.items():
        monkeypatch.setenv(f"SCENEWIRE_{name}", value)
    with pytest.raises(WrongSettings) as caught:
        load()
    assert str(caught.value) == f"SCENEWIRE_{reason}"


def test_wrong_template_stops_the_start(tmp_path: Path) -> None:
    """The message names its file."""
    (tmp_path / "wan.json").write_text("{}")
    settings = load(comfyui_url=URL, comfyui_workflows=str(tmp_path))
    with pytest.raises(WrongSettings) as caught:
        configured(settings)
    message = "SCENEWIRE_COMFYUI_WORKFLOWS: wan.json: needs the two fields scenewire and workflow"
    assert str(caught.value) == message
