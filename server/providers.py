"""The providers of this process: the built-in ones that are configured, and those of other packages."""

from providers.local import LocalProvider
from providers.port import Provider
from providers.replicate.api import Api
from providers.replicate.model import Model
from providers.replicate.provider import ReplicateProvider
from providers.replicate.retrying import Pace
from providers.replicate.template import Template
from providers.scripted import ScriptedProvider
from server import plugins
from server.settings import Settings, WrongSettings

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


def replicate(settings: Settings) -> ReplicateProvider:
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
    return ReplicateProvider(
        Api(settings.replicate_api_url, settings.replicate_token.get_secret_value()),
        model,
        pace,
        lifetime_seconds=settings.render_deadline_seconds,
        most_bytes=settings.replicate_max_bytes,
    )
