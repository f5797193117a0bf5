"""The settings of the provider `replicate`: each error is one line, without a secret."""

import pytest

from providers.replicate.template import PLACEHOLDERS
from server.providers.providers import configured
from server.settings import Settings, WrongSettings, load
from tests.support.replicate_state import SECRET, TOKEN, VERSION

NEEDS_A_MARK = (
    "TOKEN is set, so REPLICATE_INPUT needs a {seed}, or PUBLIC_URL or REPLICATE_CALLBACK_URL "
    "must begin with https://: one of them is needed to find a paid clip again after a crash"
)
NO_KEY = "must be whsec_ and base64, as GET /webhooks/default/secret returns"
ENOUGH = {"TOKEN": TOKEN, "VERSION": VERSION, "CALLBACK_URL": "https://scenewire.test/"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test from the defaults, whatever the environment sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENEWIRE_{name.upper()}", raising=False)


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(f"SCENEWIRE_REPLICATE_{name}", value)
    return load()


async def test_provider_is_configured_by_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs can choose it, and it can be the default provider."""
    assert load().provider_names == ["local", "scripted", "leased", "external"]
    monkeypatch.setenv("SCENEWIRE_PROVIDER", "replicate")
    settings = loaded(monkeypatch, **ENOUGH)
    assert settings.provider_names == ["local", "scripted", "replicate", "leased", "external"]
    assert settings.replicate_callbacks == "https://scenewire.test"
    providers = configured(settings)
    assert {name: provider.name for name, provider in providers.items()} == {
        "local": "local",
        "scripted": "scripted",
        "replicate": "replicate",
    }
    for provider in providers.values():
        await provider.close()


def test_provider_without_a_token_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable that is missing."""
    monkeypatch.setenv("SCENEWIRE_PROVIDER", "replicate")
    with pytest.raises(WrongSettings, match=r"^SCENEWIRE_REPLICATE_TOKEN must be set"):
        load()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"VERSION": ""}, "TOKEN is set, so REPLICATE_VERSION must name the model version to run"),
        ({"CALLBACK_URL": ""}, NEEDS_A_MARK),
        ({"CALLBACK_URL": "http://scenewire.test"}, "CALLBACK_URL: must begin with https:// and name a host"),
        ({"CALLBACK_URL": "https://"}, "CALLBACK_URL: must begin with https:// and name a host"),
        ({"API_URL": "http://example.com/v1"}, "API_URL: must begin with https:// and name a host"),
        (
            {"INPUT": '{"prompt": "{promt}"}'},
            f"INPUT: has no {{promt}}; its placeholders are {', '.join(PLACEHOLDERS)}",
        ),
        ({"WEBHOOK_SECRET": "hunter2"}, f"WEBHOOK_SECRET: {NO_KEY}"),
    ],
)
def test_invalid_setting_of_the_provider_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], line: str
) -> None:
    """At startup, with the name of the variable and without its secret."""
    with pytest.raises(WrongSettings) as wrong:
        loaded(monkeypatch, **ENOUGH | changes)
    assert str(wrong.value) == f"SCENEWIRE_REPLICATE_{line}"


def test_provider_needs_no_callback_url_with_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop without a public URL can use models that take a seed."""
    template = '{"prompt": "{prompt}", "seed": "{seed}"}'
    settings = loaded(monkeypatch, TOKEN=TOKEN, VERSION=VERSION, INPUT=template)
    assert (settings.replicate_callbacks, settings.replicates) == ("", True)


def test_provider_uses_the_public_url_for_callbacks_if_it_is_https(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicate sends callbacks to https URLs only."""
    found: list[str] = []
    for address in ("http://scenewire.test", "https://scenewire.test/"):
        monkeypatch.setenv("SCENEWIRE_PUBLIC_URL", address)
        found.append(load().replicate_callbacks)
    assert found == ["", "https://scenewire.test"]


def test_settings_of_the_provider_do_not_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their repr has stars instead."""
    shown = repr(loaded(monkeypatch, **ENOUGH, WEBHOOK_SECRET=SECRET))
    assert TOKEN not in shown
    assert SECRET not in shown
