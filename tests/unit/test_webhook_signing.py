"""The secrets of webhooks, and what is signed with them."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from coordinator.webhooks import signing
from coordinator.webhooks.signing import Secrets, Unsigned

KEY = bytes(range(32))
ONE, OTHER = "webhook_one", "webhook_other"


def test_a_secret_is_long_and_new() -> None:
    """24 to 64 bytes behind the prefix of the specification."""
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64


def test_what_was_sealed_is_read_again() -> None:
    """And looks different every time."""
    vault, secret = Secrets(KEY), signing.new_secret()
    stored = [vault.seal(secret, ONE) for _ in range(2)]
    assert stored[0] != stored[1]
    assert [Secrets(KEY).unseal(each, ONE) for each in stored] == [secret, secret]
    assert secret not in stored[0]


def test_not_with_another_key_nor_for_another_webhook() -> None:
    """Nor when it was tampered with."""
    stored = Secrets(KEY).seal(signing.new_secret(), ONE)
    for vault, text, webhook in (
        (Secrets(bytes(32)), stored, ONE),
        (Secrets(KEY), stored, OTHER),
        (Secrets(KEY), stored[:-8] + "AAAAAAA=", ONE),
        (Secrets(KEY), "nonsense", ONE),
        (Secrets(KEY), "", ONE),
    ):
        with pytest.raises(Unsigned):
            vault.unseal(text, webhook)


def test_every_secret_signs() -> None:
    """The library accepts the message with each of them, and with no other."""
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
def test_what_is_no_secret_signs_nothing(secret: str) -> None:
    """Whatever the library raises about it."""
    with pytest.raises(Unsigned):
        signing.signed([secret], "delivery_1", datetime.now(UTC), "{}")
