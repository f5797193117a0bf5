"""Settings: working defaults, one prefix, and one line for all invalid values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from server import settings
from server.configuration.setting_types import Profile
from server.configuration.unread_variables import unread_variables
from server.settings import ROOT, Settings, WrongSettings, load
from tests.support.property_settings import MODEST


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of the machine, so that each test starts from the defaults."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"SCENEWIRE_{name.upper()}", raising=False)


SECRET = "0123456789abcdef" * 2


def error_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """Return the message of WrongSettings for these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(f"SCENEWIRE_{name}", value)
    with pytest.raises(WrongSettings) as wrong:
        load()
    return str(wrong.value)


def test_default_settings_serve_one_developer_on_loopback() -> None:
    """No variable is required."""
    found = load()
    assert (found.host, found.port, found.provider, found.profile) == ("127.0.0.1", 4000, "local", Profile.DEVELOPMENT)
    assert found.database_url == f"sqlite+aiosqlite:///{ROOT}/var/scenewire.db"
    assert found.media_url == str(ROOT / "var" / "media")
    assert (found.local_width, found.local_height) == (1280, 720)
    assert (found.max_attempts, found.event_retention_versions, found.subscriber_events) == (3, 10_000, 256)
    assert found.event_retention_seconds == found.recovery_window_seconds == 7 * 24 * 3600
    assert found.render_concurrency >= 1


def test_settings_read_variables_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """In upper or lower case. Variables without the prefix and unknown ones have no effect."""
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
        ("EVENT_RETENTION_SECONDS", "2147483648", "Input should be less than or equal to 2147483647"),
        ("RECOVERY_WINDOW_SECONDS", "2147483648", "Input should be less than or equal to 2147483647"),
        ("PORT", "-1", "Input should be greater than or equal to 0"),
        ("PROFILE", "prod", "Input should be 'development' or 'production'"),
        ("RENDER_CONCURRENCY", "0", "Input should be greater than or equal to 1"),
        ("RENDER_DEADLINE_SECONDS", "0", "Input should be greater than 0"),
        ("RENDER_DEADLINE_SECONDS", "nan", "Input should be a finite number"),
        ("RETRY_FIRST_SECONDS", "inf", "Input should be a finite number"),
        ("VIDEO_CODEC", "hevc", "Input should be 'h264', 'vp9' or 'av1'"),
        ("LOCAL_WIDTH", "641", "must be an even number from 64 to 3840"),
        ("LOCAL_WIDTH", "-5", "must be an even number from 64 to 3840"),
        ("LOCAL_WIDTH", "-64", "must be an even number from 64 to 3840"),
        ("LOCAL_HEIGHT", "2162", "must be an even number from 64 to 2160"),
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
        ("DATABASE_DIRECT_URL", "sqlite+aiosqlite:///a.db", "must begin with postgresql+asyncpg://"),
        ("PUBLIC_URL", "example.com", "must be a URL such as https://example.com or https://example.com/scenes"),
        ("PUBLIC_URL", "https://a.com/?b", "must be a URL such as https://example.com or https://example.com/scenes"),
        ("PUBLIC_URL", "https://me@a.com", "must have no user, and a path of letters, digits, -, ., _ and ~"),
        ("PUBLIC_URL", "https://a.com/a b", "must have no user, and a path of letters, digits, -, ., _ and ~"),
        ("PUBLIC_URL", "https://a.com/graphql/", "is the base of all addresses: it must not end in /graphql"),
        ("KEEP_ALIVE_SECONDS", "0", "Input should be greater than or equal to 1"),
    ],
)
def test_invalid_setting_is_one_line_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    """And with the values that are valid."""
    assert error_of(monkeypatch, **{name: value}) == f"SCENEWIRE_{name}: {reason}"


def test_all_invalid_settings_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    error = error_of(monkeypatch, PORT="x", MAX_ATTEMPTS="0")
    assert error.split("; ") == [
        "SCENEWIRE_PORT: Input should be a valid integer, unable to parse string as an integer",
        "SCENEWIRE_MAX_ATTEMPTS: Input should be greater than or equal to 1",
    ]


def test_provider_concurrency_setting_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other text is an invalid setting."""
    monkeypatch.setenv("SCENEWIRE_PROVIDER_CONCURRENCY", '{"local": 2}')
    assert load().provider_concurrency == {"local": 2}
    error = error_of(monkeypatch, PROVIDER_CONCURRENCY="local=2")
    assert error == 'SCENEWIRE_PROVIDER_CONCURRENCY: is not JSON such as {"local": 2}'


def test_unknown_provider_setting_lists_the_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a job can name."""
    assert (
        error_of(monkeypatch, PROVIDER="sora") == "SCENEWIRE_PROVIDER must be one of local, scripted, leased, external"
    )


def test_provider_replicate_without_token_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider exists only with the token."""
    error = error_of(monkeypatch, PROVIDER="replicate")
    assert error == "SCENEWIRE_REPLICATE_TOKEN must be set, the API token of Replicate, because PROVIDER is replicate"


def test_unread_variables_are_reported_with_the_nearest_name() -> None:
    """Case is ignored; variables of other programs and the token of `watch` are not reported."""
    environment = {
        "SCENEWIRE_RENDER_CONCURENCY": "4",
        "scenewire_datbase_url": "x",
        "SCENEWIRE_LOG": "debug",
        "SCENEWIRE_PORT": "80",
        "scenewire_host": "localhost",
        "SCENEWIRE_TOKEN": "x",
        "PATH": "/bin",
    }
    assert unread_variables(environment) == [
        "SCENEWIRE_LOG is not a setting and has no effect; the nearest name is SCENEWIRE_LOG_LEVEL",
        "SCENEWIRE_RENDER_CONCURENCY is not a setting and has no effect; the nearest name is "
        "SCENEWIRE_RENDER_CONCURRENCY",
        "scenewire_datbase_url is not a setting and has no effect; the nearest name is SCENEWIRE_DATABASE_URL",
    ]


def test_production_has_no_scripted_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as the default of new jobs nor as the provider of a job."""
    monkeypatch.setenv("SCENEWIRE_PROFILE", "production")
    monkeypatch.setenv("SCENEWIRE_AUTH_SECRET", SECRET)
    assert load().provider_names == ["local", "leased", "external"]
    error = error_of(monkeypatch, PROVIDER="scripted")
    assert error == "SCENEWIRE_PROVIDER scripted is for tests and demos, not for production"


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({}, "AUTH_SECRET (32 bytes or more) or AUTH_JWKS_URL must be set in production: it verifies the tokens"),
        ({"AUTH_SECRET": "x" * 31}, "AUTH_SECRET: must have at least 32 bytes"),
        ({"AUTH_SECRET": ""}, "AUTH_SECRET (32 bytes or more) or AUTH_JWKS_URL must be set in production"),
        ({"SECRET_KEY": SECRET}, "AUTH_SECRET (32 bytes or more) or AUTH_JWKS_URL must be set in production"),
        ({"AUTH_JWKS_URL": "http://keys.test/jwks"}, "AUTH_JWKS_URL: must begin with https:// and name a host"),
        (
            {"AUTH_JWKS_URL": "https://keys.test/jwks"},
            "AUTH_JWKS_URL is set, so AUTH_ISSUER and AUTH_AUDIENCE must",
        ),
        (
            {"AUTH_JWKS_URL": "https://keys.test/jwks", "AUTH_ISSUER": "a", "AUTH_AUDIENCE": "b"},
            "SECRET_KEY (32 bytes or more, the same for all processes) must be set in production when AUTH_SECRET",
        ),
    ],
)
def test_production_requires_key_settings(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], error: str
) -> None:
    """A key to verify tokens, of 32 bytes or more, and a secret that all processes share."""
    assert error_of(monkeypatch, PROFILE="production", **variables).startswith(f"SCENEWIRE_{error}")


SWITCHES = ("introspection", "suggestions", "explorer", "get_queries")


def test_developer_settings_are_off_in_production_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself. In development all are on."""
    assert [getattr(load(), f"allows_{name}") for name in SWITCHES] == [True] * 4
    monkeypatch.setenv("SCENEWIRE_PROFILE", "production")
    monkeypatch.setenv("SCENEWIRE_AUTH_SECRET", SECRET)
    assert [getattr(load(), f"allows_{name}") for name in SWITCHES] == [False] * 4
    monkeypatch.setenv("SCENEWIRE_EXPLORER", "true")
    assert [getattr(load(), f"allows_{name}") for name in SWITCHES] == [False, False, True, False]


def test_error_of_database_setting_contains_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message does not repeat the URL."""
    assert "hunter2" not in error_of(monkeypatch, DATABASE_URL="postgres://me:hunter2@db/scenewire")


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "http://127.0.0.1:4000"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),  # noqa: S104 # not bound
        ({"host": "::", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "::1", "port": 80}, "http://[::1]:80"),
        ({"host": "10.0.0.1", "public_url": "https://scenes.example.com/"}, "https://scenes.example.com"),
        ({"public_url": "https://example.com/a/scenes/"}, "https://example.com/a/scenes"),
    ],
)
def test_address_setting_is_public_url_or_listening_address(variables: dict[str, object], address: str) -> None:
    """A URL that a browser can open, without a trailing slash."""
    assert Settings.model_validate(variables).address == address


@MODEST
@given(st.sampled_from(sorted(Settings.model_fields)), st.text(st.characters(codec="ascii", min_codepoint=1)))
def test_any_text_of_a_setting_is_accepted_or_reported_in_one_line(name: str, value: str) -> None:
    """Never with a traceback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"SCENEWIRE_{name.upper()}", value)
        error = load_error()
    assert error is None or (error.startswith(f"{settings.PREFIX}{name.upper()}") and "\n" not in error)


def load_error() -> str | None:
    """Return the message of WrongSettings; None when the settings are valid."""
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
        ("trusted_proxies", "any"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("limit_depth", "0"),
        ("limit_requests", "0"),
    ],
)
def test_ineffective_security_setting_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of its variable."""
    monkeypatch.setenv(f"SCENEWIRE_{name.upper()}", value)
    with pytest.raises(WrongSettings, match=f"SCENEWIRE_{name.upper()}"):
        load()


def test_profile_sets_the_defaults_of_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each can be set by itself."""
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


def test_settings_are_immutable() -> None:
    """A process never changes its settings after it has read them."""
    with pytest.raises(ValidationError, match="frozen"):
        load().port = 80
