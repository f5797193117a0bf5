"""The settings of OpenRouter, fal and further models of Replicate, and what the documentation says of them."""

import re

import pytest

from providers.hosted.reading import Reading
from server.providers.providers import configured
from server.settings import Settings, WrongSettings, load
from tests.support.server_process import ROOT

PAGE = (ROOT / "docs" / "providers.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test from the defaults, whatever the environment sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENEWIRE_{name.upper()}", raising=False)


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"SCENEWIRE_{name}", value)
    return load()


async def test_documented_variables_configure_the_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its models, the first as the default; none of them is read without a request for it."""
    monkeypatch.setattr(Reading, "start", _start_nothing)
    lines = re.findall(r"^export (SCENEWIRE_.*)$", PAGE, re.MULTILINE)
    assert len(lines) == 3
    for assignment in " ".join(lines).split():
        monkeypatch.setenv(*assignment.split("=", 1))
    settings = load()
    providers = configured(settings)
    found = {
        name: [model.name for model in await providers[name].models()] for name in ("replicate", "openrouter", "fal")
    }
    assert found == {
        "replicate": ["google/veo-3-fast", "minimax/hailuo-02"],
        "openrouter": ["google/veo-3.1", "alibaba/wan-2.7"],
        "fal": ["fal-ai/kling-video/v2.1/master/text-to-video"],
    }
    assert {*found} < {*settings.provider_names}
    for provider in providers.values():
        await provider.close()


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"FAL_TOKEN": "key"}, "FAL_TOKEN is set, so FAL_MODELS must name the models to run, the default first"),
        ({"PROVIDER": "fal"}, "FAL_TOKEN must be set, because PROVIDER is fal"),
        ({"PROVIDER": "openrouter"}, "OPENROUTER_TOKEN must be set, because PROVIDER is openrouter"),
        ({"OPENROUTER_MODELS": "veo"}, "OPENROUTER_MODELS: 'veo' is not the name of a model such as owner/name"),
        ({"FAL_MODELS": "a/b,../c d"}, "FAL_MODELS: '../c d' is not the name of a model such as owner/name"),
        ({"FAL_QUEUE_URL": "http://example.com"}, "FAL_QUEUE_URL: must begin with https:// and name a host"),
        (
            {"OPENROUTER_CALLBACK_URL": "http://a.test"},
            "OPENROUTER_CALLBACK_URL: must begin with https:// and name a host",
        ),
    ],
    ids=[
        "fal without models",
        "no fal",
        "no openrouter",
        "no owner",
        "strange name",
        "plain address",
        "plain callback",
    ],
)
def test_invalid_setting_of_a_provider_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], line: str
) -> None:
    """At start, with the name of the variable."""
    with pytest.raises(WrongSettings) as wrong:
        loaded(monkeypatch, **variables)
    assert str(wrong.value) == f"SCENEWIRE_{line}"


def test_callbacks_of_openrouter_need_a_secret_and_an_https_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could verify them without; the secret is not shown."""
    assert loaded(monkeypatch, OPENROUTER_TOKEN="key", PUBLIC_URL="https://scenewire.test").openrouter_callbacks == ""
    settings = loaded(monkeypatch, OPENROUTER_WEBHOOK_SECRET="hunter2")
    assert settings.openrouter_callbacks == "https://scenewire.test"
    assert "hunter2" not in repr(settings)
    assert loaded(monkeypatch, PUBLIC_URL="http://scenewire.test").openrouter_callbacks == ""


def test_input_of_replicate_is_made_by_the_schema_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template of the operator comes first; a version id alone keeps the template that it always had."""
    public = {"REPLICATE_TOKEN": "key", "PUBLIC_URL": "https://scenewire.test"}
    templates = [
        loaded(monkeypatch, **public, REPLICATE_VERSION=version, REPLICATE_INPUT=template).replicate_template
        for version, template in (("0123abcd", ""), ("a/b", ""), ("a/b:01", ""), ("a/b", '{"text": "{prompt}"}'))
    ]
    assert templates == ['{"prompt": "{prompt}", "duration": "{duration_seconds}"}', None, None, '{"text": "{prompt}"}']


def _start_nothing(_: object) -> None:
    """In place of reading, since these tests have no network."""
