"""The signing secrets of webhooks, and the signatures of messages."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from coordinator.webhooks import signing
from coordinator.webhooks.signing import Secrets, Unsigned

KEY = bytes(range(32))
ONE, OTHER = "webhook_one", "webhook_other"


def test_new_webhook_secret_is_long_and_unique() -> None:
    """24 to 64 bytes after the prefix, by the specification."""
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64


def test_sealed_webhook_secret_can_be_unsealed() -> None:
    """Each ciphertext differs, because of its nonce."""
    sealer, secret = Secrets(KEY), signing.new_secret()
    stored = [sealer.seal(secret, ONE) for _ in range(2)]
    assert stored[0] != stored[1]
    assert [Secrets(KEY).unseal(each, ONE) for each in stored] == [secret, secret]
    assert secret not in stored[0]


def test_sealed_secret_of_another_key_or_webhook_is_refused() -> None:
    """And so is one that was changed."""
    stored = Secrets(KEY).seal(signing.new_secret(), ONE)
    for sealer, text, webhook in (
        (Secrets(bytes(32)), stored, ONE),
        (Secrets(KEY), stored, OTHER),
        (Secrets(KEY), stored[:-8] + "AAAAAAA=", ONE),
        (Secrets(KEY), "nonsense", ONE),
        (Secrets(KEY), "", ONE),
    ):
        with pytest.raises(Unsigned):
            sealer.unseal(text, webhook)


def test_delivery_is_signed_with_every_secret() -> None:
    """The library verifies the message with each of them, and with no other."""
    old, new = signing.new_secret(), signing.new_secret()
    body = '{"type": "job.created", "data": {"title": "Über 🪁"}}'
    headers = dict(signing.signed([new, old], "delivery_1", datetime.now(UTC), body))
    for secret in (old, new):
        assert Webhook(secret).verify(body, headers)["type"] == "job.created"
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body, headers | {"webhook-id": "delivery_2"})


@pytest.mark.parametrize("secret", ["whsec_", "", "whsec_%%%", "whsec_a"])
def test_malformed_webhook_secret_signs_nothing(secret: str) -> None:
    """Whichever error the library raises becomes Unsigned."""
    with pytest.raises(Unsigned):
        signing.signed([secret], "delivery_1", datetime.now(UTC), "{}")
