"""The providers of this process: the built-in ones that are configured, and those of other packages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from models.lazy_import import lazily
from providers.local import LocalProvider
from providers.port import Provider
from providers.scripted import ScriptedProvider
from server.providers import plugins
from server.settings import PREFIX, Settings, WrongSettings

if TYPE_CHECKING:
    from providers.comfyui import api as comfyui_api
    from providers.comfyui import provider as comfyui_provider
    from providers.comfyui.workflows import templates
    from providers.fal import client as fal_client
    from providers.fal import webhooks as fal_webhooks
    from providers.hosted import provider as hosted
    from providers.hosted import retrying
    from providers.openrouter import client as openrouter_client
    from providers.openrouter import webhooks as openrouter_webhooks
    from providers.replicate import api, model, models, provider, template
else:
    # Most servers have none of these services.
    fal_client, fal_webhooks = lazily("providers.fal.client"), lazily("providers.fal.webhooks")
    hosted, retrying = lazily("providers.hosted.provider"), lazily("providers.hosted.retrying")
    openrouter_client = lazily("providers.openrouter.client")
    openrouter_webhooks = lazily("providers.openrouter.webhooks")
    comfyui_api, comfyui_provider = lazily("providers.comfyui.api"), lazily("providers.comfyui.provider")
    templates = lazily("providers.comfyui.workflows.templates")
    api, provider = lazily("providers.replicate.api"), lazily("providers.replicate.provider")
    model, models = lazily("providers.replicate.model"), lazily("providers.replicate.models")
    template = lazily("providers.replicate.template")

# A creation without an answer times out before its render does, because it must not be retried like a render: the
# prediction may exist and be paid for.
CREATION_TIMEOUT_SECONDS = 600.0
CREATION_SHARE_OF_DEADLINE = 0.5
# How long the provider may refuse to answer about a prediction that is paid for, before it is given up and canceled.
REFUSALS_SECONDS = 300.0
REFUSALS_SHARE_OF_DEADLINE = 0.25


def configured(settings: Settings) -> dict[str, Provider]:
    """Return the providers that jobs can name. Raises WrongSettings when one of another package cannot be loaded."""
    providers: dict[str, Provider] = {"local": local(settings)}
    if not settings.production:
        providers["scripted"] = ScriptedProvider()
    if settings.replicates:
        providers["replicate"] = replicate(settings)
    if settings.openrouter_token.get_secret_value():
        providers["openrouter"] = openrouter(settings)
    if settings.fal_token.get_secret_value():
        providers["fal"] = fal(settings)
    if settings.comfyui_url:
        providers["comfyui"] = comfyui(settings)
    try:
        loaded = {name: plugins.load(entry) for name, entry in plugins.found().items()}
    except plugins.Unusable as error:
        raise WrongSettings(str(error)) from error
    return providers | loaded


def local(settings: Settings) -> LocalProvider:
    """Return the provider that draws clips on this machine."""
    return LocalProvider(settings.local_width, settings.local_height, codec=settings.video_codec)


def replicate(settings: Settings) -> provider.ReplicateProvider:
    """Return the provider that runs predictions on Replicate."""
    client = api.Api(settings.replicate_api_url, settings.replicate_token.get_secret_value())
    callbacks = models.Callbacks(
        settings.replicate_callbacks, listening=bool(settings.replicate_webhook_secret.get_secret_value())
    )
    fixed: list[model.Model] = []
    if settings.replicate_template is not None:
        made = template.Template(settings.replicate_template)
        version = settings.replicate_version
        fixed.append(model.Model(version, made, callbacks.address, listening=callbacks.listening))
    pace = pace_of(settings, settings.replicate_poll_seconds)
    names = [name for name in (settings.replicate_version, *settings.replicate_models) if name]
    return provider.ReplicateProvider(
        client,
        models.Models(client, pace, fixed, names, callbacks),
        pace,
        lifetime_seconds=settings.render_deadline_seconds,
        most_bytes=settings.replicate_max_bytes,
    )


def openrouter(settings: Settings) -> hosted.HostedProvider:
    """Return the provider that makes clips by OpenRouter."""
    secret = settings.openrouter_webhook_secret.get_secret_value()
    pace = pace_of(settings, settings.openrouter_poll_seconds)
    client = openrouter_client.OpenRouterClient(
        settings.openrouter_api_url,
        settings.openrouter_token.get_secret_value(),
        pace,
        settings.openrouter_models,
        callbacks=settings.openrouter_callbacks,
        signing=openrouter_webhooks.SigningSecret(secret) if secret else None,
    )
    return hosted.HostedProvider("openrouter", client, pace, most_bytes=settings.openrouter_max_bytes)


def fal(settings: Settings) -> hosted.HostedProvider:
    """Return the provider that makes clips by fal."""
    pace = pace_of(settings, settings.fal_poll_seconds)
    client = fal_client.FalClient(
        fal_client.Addresses(settings.fal_queue_url, settings.fal_api_url),
        settings.fal_token.get_secret_value(),
        pace,
        settings.fal_models,
        callbacks=settings.fal_callback_url,
        keys=fal_webhooks.SigningKeys(settings.fal_jwks_url, pace) if settings.fal_callback_url else None,
    )
    return hosted.HostedProvider("fal", client, pace, most_bytes=settings.fal_max_bytes)


def pace_of(settings: Settings, poll_seconds: float) -> retrying.Pace:
    """Return the pauses and timeouts of a hosted provider."""
    return retrying.Pace(
        poll=poll_seconds,
        give_up_after=min(CREATION_TIMEOUT_SECONDS, settings.render_deadline_seconds * CREATION_SHARE_OF_DEADLINE),
        refusals=min(REFUSALS_SECONDS, settings.render_deadline_seconds * REFUSALS_SHARE_OF_DEADLINE),
    )


def comfyui(settings: Settings) -> comfyui_provider.ComfyUIProvider:
    """Return the provider that runs workflows on ComfyUI. Raises WrongSettings when a template cannot be used."""
    try:
        workflows = templates.load(Path(settings.comfyui_workflows))
    except templates.WrongTemplate as error:
        raise WrongSettings(f"{PREFIX}COMFYUI_WORKFLOWS: {error}") from error
    name, _, content = settings.comfyui_header.get_secret_value().partition(":")
    return comfyui_provider.ComfyUIProvider(
        comfyui_api.Api(settings.comfyui_url, {name: content.strip()} if name else {}),
        workflows,
        pace_of(settings, settings.comfyui_poll_seconds),
        most_bytes=settings.comfyui_max_bytes,
    )
