"""The checks of settings that depend on each other. Each raises ValueError that begins with the name of a variable."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from models.lazy_import import lazily
from server.configuration.setting_types import LOOPBACK, SECRET_BYTES
from server.providers import plugins

if TYPE_CHECKING:
    from providers.replicate import template
    from server.settings import Settings
else:
    template = lazily("providers.replicate.template")


def check_combinations(settings: "Settings") -> None:
    """Raise ValueError for settings that exclude or need each other."""
    if settings.production and settings.provider == "scripted":
        raise ValueError("PROVIDER scripted is for tests and demos, not for production")
    if settings.database_direct_url and settings.database_url.startswith("sqlite"):
        raise ValueError("DATABASE_DIRECT_URL is for a pooler before Postgres, and DATABASE_URL is an SQLite file")
    if settings.trusted_documents_only and not settings.trusted_documents:
        raise ValueError("TRUSTED_DOCUMENTS must name a manifest, because TRUSTED_DOCUMENTS_ONLY is set")
    _check_keys(settings)
    _check_provider(settings)
    _check_comfyui(settings)


def _check_keys(settings: "Settings") -> None:
    if settings.auth_jwks_url and not (settings.auth_issuer and settings.auth_audience):
        raise ValueError("AUTH_JWKS_URL is set, so AUTH_ISSUER and AUTH_AUDIENCE must be set for its tokens")
    _check_sign_in(settings)
    if not settings.production:
        return
    if not settings.authenticates:
        raise ValueError(
            f"AUTH_SECRET ({SECRET_BYTES} bytes or more) or AUTH_JWKS_URL must be set in production: it verifies "
            "the tokens of clients"
        )
    if not (settings.auth_secret.get_secret_value() or settings.secret_key.get_secret_value()):
        raise ValueError(
            f"SECRET_KEY ({SECRET_BYTES} bytes or more, the same for all processes) must be set in production "
            "when AUTH_SECRET is not"
        )


def _check_sign_in(settings: "Settings") -> None:
    if not settings.auth_client_id:
        return
    if not settings.auth_jwks_url:
        raise ValueError("AUTH_CLIENT_ID is set, so AUTH_JWKS_URL must name the keys of the issuer")
    issuer = urlsplit(settings.auth_issuer)
    if not issuer.hostname or not (issuer.scheme == "https" or issuer.hostname in LOOPBACK):
        raise ValueError("AUTH_ISSUER must begin with https:// and name a host, because AUTH_CLIENT_ID is set")


def _check_comfyui(settings: "Settings") -> None:
    if settings.comfyui_url and not settings.comfyui_workflows:
        raise ValueError("COMFYUI_URL is set, so COMFYUI_WORKFLOWS must name a folder of workflow templates")
    url = urlsplit(settings.comfyui_url)
    if settings.comfyui_header.get_secret_value() and url.scheme == "http" and url.hostname not in LOOPBACK:
        raise ValueError("COMFYUI_URL must begin with https://, because COMFYUI_HEADER is sent to it")


def _check_provider(settings: "Settings") -> None:
    try:
        plugins.found()
    except plugins.Unusable as error:
        raise ValueError(f"PROVIDER: {error}") from error
    if settings.provider == "replicate" and not settings.replicates:
        raise ValueError("REPLICATE_TOKEN must be set, the API token of Replicate, because PROVIDER is replicate")
    if settings.provider == "comfyui" and not settings.comfyui_url:
        raise ValueError("COMFYUI_URL must be set, the address of ComfyUI, because PROVIDER is comfyui")
    for name, token in (("openrouter", settings.openrouter_token), ("fal", settings.fal_token)):
        if settings.provider == name and not token.get_secret_value():
            raise ValueError(f"{name.upper()}_TOKEN must be set, because PROVIDER is {name}")
    if settings.fal_token.get_secret_value() and not settings.fal_models:
        raise ValueError("FAL_TOKEN is set, so FAL_MODELS must name the models to run, the default first")
    if settings.provider not in settings.provider_names:
        raise ValueError(f"PROVIDER must be one of {', '.join(settings.provider_names)}")
    if settings.replicates and not (settings.replicate_version or settings.replicate_models):
        raise ValueError("REPLICATE_TOKEN is set, so REPLICATE_VERSION must name the model version to run")
    text = settings.replicate_template if settings.replicates else None
    if text is not None and not settings.replicate_callbacks and not template.Template(text).seeded:
        raise ValueError(
            "REPLICATE_TOKEN is set, so REPLICATE_INPUT needs a {seed}, or PUBLIC_URL or REPLICATE_CALLBACK_URL "
            "must begin with https://: one of them is needed to find a paid clip again after a crash"
        )
