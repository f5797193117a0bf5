"""Settings of the providers that are services or run elsewhere; part of `server.settings.Settings`."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from server.configuration.setting_types import (
    HeaderLine,
    HttpsOrLoopbackUrl,
    HttpsUrl,
    HttpUrl,
    ModelNames,
    ReplicateInput,
    WebhookSecret,
)

REPLICATE_TEMPLATE = '{"prompt": "{prompt}", "duration": "{duration_seconds}"}'


class ProviderSettings(BaseSettings):
    """Where each service is, with which credentials, and what it may deliver."""

    replicate_token: SecretStr = SecretStr("")
    replicate_version: str = ""
    replicate_models: ModelNames = Field(default_factory=list[str])
    replicate_input: ReplicateInput = ""
    replicate_callback_url: HttpsUrl = ""
    replicate_webhook_secret: WebhookSecret = SecretStr("")
    replicate_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    replicate_max_bytes: int = Field(default=500_000_000, ge=1)
    replicate_api_url: HttpsOrLoopbackUrl = "https://api.replicate.com/v1"

    openrouter_token: SecretStr = SecretStr("")
    openrouter_models: ModelNames = Field(default_factory=list[str])
    openrouter_callback_url: HttpsUrl = ""
    openrouter_webhook_secret: SecretStr = SecretStr("")
    openrouter_poll_seconds: float = Field(default=10.0, gt=0, le=60)
    openrouter_max_bytes: int = Field(default=500_000_000, ge=1)
    openrouter_api_url: HttpsOrLoopbackUrl = "https://openrouter.ai/api/v1"

    fal_token: SecretStr = SecretStr("")
    fal_models: ModelNames = Field(default_factory=list[str])
    fal_callback_url: HttpsUrl = ""
    fal_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    fal_max_bytes: int = Field(default=500_000_000, ge=1)
    fal_queue_url: HttpsOrLoopbackUrl = "https://queue.fal.run"
    fal_api_url: HttpsOrLoopbackUrl = "https://api.fal.ai/v1"
    fal_jwks_url: HttpsOrLoopbackUrl = "https://rest.fal.ai/.well-known/jwks.json"

    comfyui_url: HttpUrl = ""
    comfyui_workflows: str = ""
    comfyui_header: HeaderLine = SecretStr("")
    comfyui_poll_seconds: float = Field(default=2.0, gt=0, le=60)
    comfyui_max_bytes: int = Field(default=500_000_000, ge=1)

    @property
    def replicates(self) -> bool:
        """Whether the provider `replicate` is configured."""
        return bool(self.replicate_token.get_secret_value())

    @property
    def replicate_template(self) -> str | None:
        """The template of REPLICATE_VERSION; None when its input is made by the schema of the model.

        A version id without the model's name has no schema that could be read.
        """
        if self.replicate_input or not self.replicate_version:
            return self.replicate_input or None
        return None if "/" in self.replicate_version else REPLICATE_TEMPLATE
