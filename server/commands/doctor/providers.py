"""The providers: each is asked something that costs nothing."""

from collections.abc import Callable

from models.db import clock
from models.domain.access import LEASED
from models.domain.errors import Unavailable
from models.domain.leases import GONE_AFTER
from models.reads import leases
from providers.checks import Checkable
from providers.port import Failure, Provider
from server.commands import reading
from server.commands.doctor.findings import Check, Finding, Findings, State, apart
from server.database.database_setup import check_exists, opened
from server.providers import plugins, providers
from server.settings import PREFIX, Settings, WrongSettings

Build = Callable[[Settings], Provider]

_BUILT_IN: dict[str, Build] = {
    "local": providers.local,
    "replicate": providers.replicate,
    "openrouter": providers.openrouter,
    "fal": providers.fal,
    "comfyui": providers.comfyui,
}
# Failures that a token is the reason for.
_OF_TOKEN = ("UNAUTHORIZED", "FORBIDDEN")


def checks(settings: Settings) -> list[Check]:
    """Return a check for each configured provider that depends on anything."""
    built_in = [name for name in _BUILT_IN if name in settings.provider_names]
    others = [name for name in plugins.found() if name in settings.provider_names]
    found = [_check(name, _BUILT_IN[name]) for name in built_in]
    found += [_check(name, _plugin(name)) for name in others]
    return [*found, Check(LEASED, _leased)] if settings.provider == LEASED else found


def _plugin(name: str) -> Build:
    return lambda _settings: plugins.load(plugins.found()[name])


def _check(name: str, build: Build) -> Check:
    async def run(settings: Settings) -> Findings:
        try:
            provider = await apart(lambda: build(settings))
        except (WrongSettings, plugins.Unusable) as error:
            yield Finding(name, State.FAIL, str(error), "correct it; the server does not start with it")
            return
        try:
            yield await _asked(name, provider)
        finally:
            await provider.close()
        if (unheard := _unheard(name, settings)) is not None:
            yield unheard

    return Check(name, run)


async def _asked(name: str, provider: Provider) -> Finding:
    if not isinstance(provider, Checkable):
        todo = "let its maker add a method `check` (docs/own-providers.md)"
        return Finding(name, State.WARN, "it has no check, so that nothing is known about it", todo)
    try:
        # A provider of another package may return anything.
        return Finding(name, State.OK, str(await provider.check()))
    except Failure as failure:
        return Finding(name, State.FAIL, failure.message, _todo(name, failure.code))


def _todo(name: str, code: str) -> str:
    if name == "local":
        return "look at the log of the server; docs/operations.md says what it draws clips with"
    if name == "comfyui":
        return f"start ComfyUI, or correct {PREFIX}COMFYUI_URL and {PREFIX}COMFYUI_HEADER"
    if name not in _BUILT_IN:
        return "see the documents of this provider"
    if code in _OF_TOKEN:
        return f"set {PREFIX}{name.upper()}_TOKEN to a token that is valid and may do this"
    if code == "PAYMENT_REQUIRED":
        return "add credit to the account, or raise the limit of the key"
    address = "FAL_QUEUE_URL and FAL_API_URL" if name == "fal" else f"{name.upper()}_API_URL"
    return f"let this machine reach the service, and look at {PREFIX}{address}"


def _unheard(name: str, settings: Settings) -> Finding | None:
    """Return that callbacks are configured which do not come."""
    secret, callbacks = {
        "replicate": (settings.replicate_webhook_secret, settings.replicate_callbacks),
        "openrouter": (settings.openrouter_webhook_secret, settings.openrouter_callbacks),
    }.get(name, (None, ""))
    if secret is None or not secret.get_secret_value() or callbacks:
        return None
    found = "there is a secret for callbacks, but no https address at which they could arrive: it is polled"
    return Finding(name, State.WARN, found, f"set {PREFIX}PUBLIC_URL or {PREFIX}{name.upper()}_CALLBACK_URL")


async def _leased(settings: Settings) -> Findings:
    """Look for workers, as no server renders these takes."""
    try:
        await check_exists(settings)
    except (WrongSettings, Unavailable):
        # The check of the database reports it.
        return
    database = opened(settings)
    try:
        async with reading.moment(database) as connection:
            workers = await leases.seen_since(connection, await clock.current(connection) - GONE_AFTER)
    finally:
        await database.close()
    healthy = [worker for worker in workers if worker.unhealthy_reason is None]
    if healthy:
        yield Finding(LEASED, State.OK, f"{len(healthy)} of {len(workers)} connected workers are healthy")
    else:
        found = f"{len(workers)} workers are connected, and none is healthy" if workers else "no worker is connected"
        yield Finding(LEASED, State.WARN, found, "start workers (docs/workers.md); until then, takes wait")
