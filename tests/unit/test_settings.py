"""Settings: working defaults, one prefix, and one clear line for everything that is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import settings
from server.setting_types import Profile
from server.settings import ROOT, Settings, WrongSettings, load
from tests.support.property_settings import MODEST


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine sets, a test starts from the defaults."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENEWIRE_{name.upper()}", raising=False)


SECRET = "0123456789abcdef" * 2


def complaint(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """What the operator reads who sets these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(f"SCENEWIRE_{name}", value)
    with pytest.raises(WrongSettings) as wrong:
        load()
    return str(wrong.value)


def test_everything_works_when_nothing_is_set() -> None:
    """The defaults are those of one developer on one machine, who cannot be reached by others."""
    found = load()
    assert (found.host, found.port, found.provider, found.profile) == ("127.0.0.1", 4000, "local", Profile.DEVELOPMENT)
    assert found.database_url == f"sqlite+aiosqlite:///{ROOT}/var/scenewire.db"
    assert found.media_url == str(ROOT / "var" / "media")
    assert (found.local_width, found.local_height) == (1280, 720)
    assert (found.max_attempts, found.event_retention_versions, found.subscriber_events) == (3, 10_000, 256)
    assert found.event_retention_seconds == found.recovery_window_seconds == 7 * 24 * 3600
    assert found.render_concurrency >= 1


def test_a_variable_with_the_prefix_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any case; other variables mean nothing to us."""
    monkeypatch.setenv("SCENEWIRE_PORT", "8080")
    monkeypatch.setenv("scenewire_host", "localhost")
    monkeypatch.setenv("PROVIDER", "nonsense")
    monkeypatch.setenv("SCENEWIRE_NONSENSE", "nonsense")
    found = load()
    assert (found.port, found.host, found.provider) == (8080, "localhost", "local")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PORT", "http", "Input should be a valid integer, unable to parse string as an integer"),
        ("PORT", "65536", "Input should be less than or equal to 65535"),
        ("PORT", "-1", "Input should be greater than or equal to 0"),
        ("PROFILE", "prod", "Input should be 'development' or 'production'"),
        ("RENDER_CONCURRENCY", "0", "Input should be greater than or equal to 1"),
        ("RENDER_DEADLINE_SECONDS", "0", "Input should be greater than 0"),
        ("RENDER_DEADLINE_SECONDS", "nan", "Input should be a finite number"),
        ("RETRY_FIRST_SECONDS", "inf", "Input should be a finite number"),
        ("LOCAL_WIDTH", "641", "Input should be a multiple of 2"),
        ("MAX_ATTEMPTS", "", "Input should be a valid integer, unable to parse string as an integer"),
        ("LOG_LEVEL", "loud", "String should match pattern '^(debug|info|warning|error)$'"),
        ("DATABASE_URL", "scenewire.db", "is not a database URL such as sqlite+aiosqlite:///var/scenewire.db"),
        ("DATABASE_URL", "sqlite:///a.db", "must begin with sqlite+aiosqlite:// or postgresql+asyncpg://"),
        (
            "DATABASE_URL",
            "sqlite+aiosqlite:///:memory:",
            "must name a file, because an in-memory database is not shared between connections",
        ),
        ("DATABASE_URL", "mysql://a/b", "must begin with sqlite+aiosqlite:// or postgresql+asyncpg://"),
    ],
)
def test_a_wrong_value_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str) -> None:
    """It names the variable as the operator wrote it, and says what would be right."""
    assert complaint(monkeypatch, **{name: value}) == f"SCENEWIRE_{name}: {reason}"


def test_everything_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start the server twice to learn of a second mistake."""
    told = complaint(monkeypatch, PORT="x", MAX_ATTEMPTS="0")
    assert told.split("; ") == [
        "SCENEWIRE_PORT: Input should be a valid integer, unable to parse string as an integer",
        "SCENEWIRE_MAX_ATTEMPTS: Input should be greater than or equal to 1",
    ]


def test_limits_of_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are given as JSON; what cannot be parsed is one line, too."""
    monkeypatch.setenv("SCENEWIRE_PROVIDER_CONCURRENCY", '{"local": 2}')
    assert load().provider_concurrency == {"local": 2}
    told = complaint(monkeypatch, PROVIDER_CONCURRENCY="local=2")
    assert told == 'SCENEWIRE_PROVIDER_CONCURRENCY: is not JSON such as {"local": 2}'


def test_a_provider_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The complaint lists those that are."""
    assert complaint(monkeypatch, PROVIDER="sora") == "SCENEWIRE_PROVIDER must be one of local, scripted, external"


def test_production_has_no_scripted_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as the default of new jobs nor by name."""
    monkeypatch.setenv("SCENEWIRE_PROFILE", "production")
    monkeypatch.setenv("SCENEWIRE_AUTH_SECRET", SECRET)
    assert load().provider_names == ["local", "external"]
    told = complaint(monkeypatch, PROVIDER="scripted")
    assert told == "SCENEWIRE_PROVIDER scripted is for tests and demos, not for production"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "AUTH_SECRET (32 bytes or more) or AUTH_JWKS_URL must be set in production: it verifies the tokens"),
        ({"AUTH_SECRET": "x" * 31}, "AUTH_SECRET: must have at least 32 bytes"),
        ({"AUTH_SECRET": ""}, "AUTH_SECRET (32 bytes or more) or AUTH_JWKS_URL must be set in production"),
        ({"SECRET_KEY": SECRET}, "AUTH_SECRET (32 bytes or more) or AUTH_JWKS_URL must be set in production"),
        ({"AUTH_JWKS_URL": "http://keys.test/jwks"}, "AUTH_JWKS_URL: must begin with https:// and name a host"),
        ({"AUTH_JWKS_URL": "https://keys.test/jwks"}, "AUTH_JWKS_URL is set, so AUTH_ISSUER and AUTH_AUDIENCE must be set"),
        (
            {"AUTH_JWKS_URL": "https://keys.test/jwks", "AUTH_ISSUER": "a", "AUTH_AUDIENCE": "b"},
            "SECRET_KEY (32 bytes or more, the same for all processes) must be set in production when AUTH_SECRET",
        ),
    ],
)
def test_production_needs_keys(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str) -> None:
    """Strong ones, whose they are must be clear, and the server's own must be the same for all processes."""
    assert complaint(monkeypatch, PROFILE="production", **variables).startswith(f"SCENEWIRE_{told}")


SWITCHES = ("introspection", "suggestions", "explorer", "get_queries")


def test_what_helps_developers_is_off_in_production_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one; in development all of it is on."""
    assert [getattr(load(), f"allows_{name}") for name in SWITCHES] == [True] * 4
    monkeypatch.setenv("SCENEWIRE_PROFILE", "production")
    monkeypatch.setenv("SCENEWIRE_AUTH_SECRET", SECRET)
    assert [getattr(load(), f"allows_{name}") for name in SWITCHES] == [False] * 4
    monkeypatch.setenv("SCENEWIRE_EXPLORER", "true")
    assert [getattr(load(), f"allows_{name}") for name in SWITCHES] == [False, False, True, False]


def test_no_complaint_repeats_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with an address can be said without saying it."""
    assert "hunter2" not in complaint(monkeypatch, DATABASE_URL="postgres://me:hunter2@db/scenewire")


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "http://127.0.0.1:4000"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),  # noqa: S104 # nobody binds it here
        ({"host": "::", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "::1", "port": 80}, "http://[::1]:80"),
        ({"host": "10.0.0.1", "public_url": "https://scenes.example.com/"}, "https://scenes.example.com"),
    ],
)
def test_where_clients_reach_the_server(variables: dict[str, object], address: str) -> None:
    """An address that a browser can open, without a slash at the end, unless told otherwise the one we listen on."""
    assert Settings.model_validate(variables).address == address


@MODEST
@given(st.sampled_from(sorted(Settings.model_fields)), st.text(st.characters(codec="ascii", min_codepoint=1)))
def test_no_value_ends_in_a_traceback(name: str, value: str) -> None:
    """Whatever a variable holds, it is taken or answered by one line that names it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"SCENEWIRE_{name.upper()}", value)
        told = taken_or_told()
    assert told is None or (told.startswith(f"{settings.PREFIX}{name.upper()}") and "\n" not in told)


def taken_or_told() -> str | None:
    try:
        load()
    except WrongSettings as wrong:
        return str(wrong)
    return None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allowed_origins", "*"),
        ("allowed_origins", "app.example.com"),
        ("allowed_origins", "https://app.example.com/"),
        ("allowed_origins", "https://app.example.com, null"),
        ("trusted_proxies", "everybody"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("limit_depth", "0"),
        ("limit_requests", "0"),
    ],
)
def test_a_defence_that_cannot_be_meant(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is refused with the name of the variable."""
    monkeypatch.setenv(f"SCENEWIRE_{name.upper()}", value)
    with pytest.raises(WrongSettings, match=f"SCENEWIRE_{name.upper()}"):
        load()


def test_the_profile_decides_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself."""
    assert Settings().allows_introspection
    assert Settings().rate_limits.connections > 1_000
    monkeypatch.setenv("SCENEWIRE_PROFILE", "production")
    monkeypatch.setenv("SCENEWIRE_AUTH_SECRET", "0123456789abcdef" * 2)
    monkeypatch.setenv("SCENEWIRE_SUGGESTIONS", "true")
    monkeypatch.setenv("SCENEWIRE_LIMIT_REQUESTS", "7")
    monkeypatch.setenv("SCENEWIRE_ALLOWED_ORIGINS", "https://a.example, http://localhost:3000")
    settings = load()
    assert (settings.allows_introspection, settings.allows_suggestions) == (False, True)
    assert (settings.rate_limits.requests, settings.rate_limits.connections) == (7, 50)
    assert settings.allowed_origins == ["https://a.example", "http://localhost:3000"]
