"""Keys derived from the server's secret."""

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server import keys
from server.settings import Settings


@pytest.mark.parametrize("purpose", ["webhooks", "media", ""], ids=["webhooks", "media", "none"])
@pytest.mark.parametrize("secret", ["a" * 32, "b" * 200, "é" * 40], ids=["short", "long", "accents"])
def test_derived_key_is_that_of_the_cryptographic_library(secret: str, purpose: str) -> None:
    """HKDF of RFC 5869: secrets of webhooks that were stored with it must stay readable."""
    settings = Settings.model_validate({"secret_key": secret})
    expected = HKDF(SHA256(), 32, salt=None, info=f"scenewire {purpose}".encode()).derive(secret.encode())
    assert keys.derived(settings, purpose) == expected
