"""Which providers there are: the built-in ones as the settings say, and those that other packages bring."""

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

# A purchase that is not answered is given up before its render is: as what it is, which is not simply tried again.
PATIENCE_SECONDS = 600.0
PATIENCE_SHARE = 0.5


def configured(settings: Settings) -> dict[str, Provider]:
    """Make the providers that jobs can choose from. Raises WrongSettings when one cannot be made."""
    providers: dict[str, Provider] = {"local": LocalProvider(settings.local_width, settings.local_height)}
    if not settings.production:
        providers["scripted"] = ScriptedProvider()
    if settings.replicates:
        providers["replicate"] = replicate(settings)
    try:
        brought = {name: plugins.load(entry) for name, entry in plugins.found().items()}
    except plugins.Unusable as unusable:
        raise WrongSettings(str(unusable)) from unusable
    return providers | brought


def replicate(settings: Settings) -> ReplicateProvider:
    """The provider that buys clips from Replicate."""
    model = Model(
        settings.replicate_version,
        Template(settings.replicate_input),
        settings.replicate_callbacks,
        listening=bool(settings.replicate_webhook_secret.get_secret_value()),
    )
    pace = Pace(
        poll=settings.replicate_poll_seconds,
        patience=min(PATIENCE_SECONDS, settings.render_deadline_seconds * PATIENCE_SHARE),
    )
    return ReplicateProvider(
        Api(settings.replicate_api_url, settings.replicate_token.get_secret_value()),
        model,
        pace,
        life_seconds=settings.render_deadline_seconds,
        most_bytes=settings.replicate_max_bytes,
    )
