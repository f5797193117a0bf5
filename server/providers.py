"""The providers of this process: the built-in ones that are configured, and those of other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.lazy_import import lazily
from providers.local import LocalProvider
from providers.port import Provider
from providers.replicate.model import Model
from providers.replicate.retrying import Pace
from providers.replicate.template import Template
from providers.scripted import ScriptedProvider
from server import plugins
from server.settings import Settings, WrongSettings

if TYPE_CHECKING:
    from providers.replicate import api, provider
else:
    api, provider = lazily("providers.replicate.api"), lazily("providers.replicate.provider")

# A creation without an answer times out before its render does, because it must not be retried like a render: the
# prediction may exist and be paid for.
CREATION_TIMEOUT_SECONDS = 600.0
CREATION_SHARE_OF_DEADLINE = 0.5


def configured(settings: Settings) -> dict[str, Provider]:
    """Return the providers that jobs can name. Raises WrongSettings when one of another package cannot be loaded."""
    providers: dict[str, Provider] = {"local": LocalProvider(settings.local_width, settings.local_height)}
    if not settings.production:
        providers["scripted"] = ScriptedProvider()
    if settings.replicates:
        providers["replicate"] = replicate(settings)
    try:
        loaded = {name: plugins.load(entry) for name, entry in plugins.found().items()}
    except plugins.Unusable as error:
        raise WrongSettings(str(error)) from error
    return providers | loaded


def replicate(settings: Settings) -> provider.ReplicateProvider:
    """Return the provider that runs predictions on Replicate."""
    model = Model(
        settings.replicate_version,
        Template(settings.replicate_input),
        settings.replicate_callbacks,
        listening=bool(settings.replicate_webhook_secret.get_secret_value()),
    )
    pace = Pace(
        poll=settings.replicate_poll_seconds,
        give_up_after=min(CREATION_TIMEOUT_SECONDS, settings.render_deadline_seconds * CREATION_SHARE_OF_DEADLINE),
    )
    return provider.ReplicateProvider(
        api.Api(settings.replicate_api_url, settings.replicate_token.get_secret_value()),
        model,
        pace,
        lifetime_seconds=settings.render_deadline_seconds,
        most_bytes=settings.replicate_max_bytes,
    )
