"""The parts of the provider `replicate` that send no requests: template, logs, predictions, errors, signatures."""

import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from providers.hosted import logs
from providers.hosted.failures import LONGEST_WAIT_SECONDS, error_of
from providers.hosted.retrying import NoResponse
from providers.hosted.seeds import seed
from providers.port import Failure
from providers.replicate import webhooks
from providers.replicate.marks import value_at
from providers.replicate.prediction import parse
from providers.replicate.template import Template
from providers.replicate.webhooks import SigningSecret
from tests.support.orders import an_order
from tests.support.replicate_state import SECRET, signature

BAR = "\r".join(["  0%|          | 0/20 [00:00<?, ?it/s]", " 45%|████▌     | 9/20 [00:09<00:11,  1.00s/it]"])


def test_template_is_filled_with_the_fields_of_the_order() -> None:
    """Numbers stay numbers, a placeholder within text becomes text, and everything else is unchanged."""
    template = Template(
        """{"prompt": "Slow. {prompt}", "seconds": "{duration_seconds}", "frames": "{number}x24", "fps": 24,
        "nested": {"seeds": ["{seed}", 1.5, true, null]}, "title": "{title}", "untouched": "{not one} {}"}"""
    )
    order = an_order(Path(), prompt="A {title} at sea", duration_seconds=2.5)
    assert template.input(order) == {
        "prompt": "Slow. A {title} at sea",
        "seconds": 2.5,
        "frames": "1x24",
        "fps": 24,
        "nested": {"seeds": [seed("take_1"), 1.5, True, None]},
        "title": "Lighthouse",
        "untouched": "{not one} {}",
    }


def test_template_leaves_out_the_title_of_an_order_without_one() -> None:
    """Within other text it is empty."""
    template = Template('{"title": "{title}", "prompt": "{title}: {prompt}", "style": null}')
    assert template.input(an_order(Path(), title=None, prompt="Dawn")) == {"prompt": ": Dawn", "style": None}


@pytest.mark.parametrize("seconds", [5.0, 0.5])
def test_template_formats_whole_seconds_as_integers(seconds: float) -> None:
    """Models that accept 5 or 10 refuse 5.0."""
    filled = Template('{"d": "{duration_seconds}"}').input(an_order(Path(), duration_seconds=seconds))
    assert repr(filled["d"]) == ("5" if seconds == 5 else "0.5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ('["{prompt}"]', "is not a JSON object"),
        ('{"prompt": "{promt}"}', r"has no \{promt\}; its placeholders are prompt, title,"),
        ('{"prompt": ["{a}"]}', r"has no \{a\}"),
    ],
)
def test_invalid_template_is_refused(text: str, message: str) -> None:
    """When the settings are loaded, with a message of one line."""
    with pytest.raises(ValueError, match=message):
        Template(text)


def test_template_finds_its_seed_in_an_input() -> None:
    """Of any shape; inputs of other shapes have none."""
    template = Template('{"a": [{"seed": "{seed}"}]}')
    assert template.seeded
    place = template.seed_place
    assert place is not None
    assert value_at(template.input(an_order(Path())), place) == seed("take_1")
    others: list[object] = [None, {}, {"a": []}, {"a": [3]}, {"a": "x"}]
    assert [value_at(other, place) for other in others] == [None] * 5
    assert not Template('{"prompt": "{prompt} {seed}"}').seeded


@pytest.mark.parametrize(
    ("text", "fraction"),
    [
        ("", None),
        ("Using seed: 45", None),
        (BAR, 0.45),
        ("Progress: 12.5%", 0.125),
        ("progress = 7 %\nmemory 80% used", 0.07),
        (f"{BAR}\n100%|██████████| 20/20", 0.45),
        ("99.9%|", None),
        ("Progress: 99.9%", 0.99),
        (f"100%|██████████| 20/20\n{BAR}", 0.45),
        (f"Loading pipeline components...:  71%|███████   | 5/7\n{BAR}", 0.45),
        (f"{BAR}\n 50%|█████     | 10/20\n  0%|          | 0/9\n 50%|█████     | 4/9", 0.75),
        ("450%|", None),
        (" 30%|███" + "x" * 10_000, None),
    ],
)
def test_progress_is_the_newest_percentage_in_the_logs(text: str, fraction: float | None) -> None:
    """As tqdm writes it, or after the word progress; other percentages and bars of preparations are ignored."""
    assert logs.Bars().update(text) == fraction


def test_prediction_is_parsed_with_timestamps_of_any_precision() -> None:
    """Replicate's have more digits than Python's."""
    prediction = parse({"id": "a", "status": "starting", "created_at": "2023-11-27T13:35:45.99397566Z", "logs": None})
    assert prediction.created_at == datetime(2023, 11, 27, 13, 35, 45, 993975, UTC)
    assert (prediction.logs, prediction.has_webhook_field, prediction.finished) == ("", False, False)
    others: list[object] = [None, [], {}, {"id": 1, "status": "starting"}]
    for nonsense in others:
        with pytest.raises(ValueError, match="not a prediction"):
            parse(nonsense)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, {}, 7),
        ({"retry-after": "2.5"}, {}, 2.5),
        ({"retry-after": "1e9"}, {}, 0),
        ({"retry-after": "86400"}, {}, LONGEST_WAIT_SECONDS),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, {}, 0),
        ({"retry-after": "soon"}, {"retry_after": 9}, 0),
        ({}, {"retry_after": 8}, 8),
        ({}, {"detail": "Request was throttled. Your rate limit resets in ~30s."}, 30),
        ({}, {"detail": "Request was throttled. Expected available in 1 second."}, 1),
        ({}, {}, 0),
    ],
)
def test_requested_pause_of_the_provider_is_in_header_or_body(
    headers: dict[str, str], body: dict[str, object], seconds: float
) -> None:
    """It is bounded, and never negative."""
    error = error_of(httpx.Response(429, headers=headers, json=body))
    assert isinstance(error, NoResponse)
    assert (error.harmless, error.wait_seconds) == (True, seconds)


def test_error_of_the_provider_without_a_reason_has_its_code() -> None:
    """Its status says what is missing."""
    error = error_of(httpx.Response(402, json={}), service="Replicate")
    assert isinstance(error, Failure)
    assert (error.code, error.message) == ("PAYMENT_REQUIRED", "Replicate requires payment first.")


@pytest.mark.parametrize("status", [301, 400, 401, 402, 403, 404, 405, 409, 451])
def test_error_without_json_is_not_a_refusal_of_the_provider(status: int) -> None:
    """Proxies respond with pages, such as a challenge; what they say about a request is not final."""
    error = error_of(httpx.Response(status, html="<h1>Just a moment...</h1>"))
    assert isinstance(error, NoResponse)
    assert not error.harmless


def test_callback_signature_follows_the_specification() -> None:
    """The example of https://docs.svix.com/receiving/verifying-payloads/how-manual."""
    secret = SigningSecret("whsec_plJ3nmyCDGBKInavdOK15jsl")
    body = b'{"event_type":"ping","data":{"success":true}}'
    signed = secret.signature("msg_loFOjxBNrRLzqYUf", "1731705121", body)
    assert signed == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_callback_is_accepted_with_a_valid_signature_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of body, id, time or key invalidates it, and so does a time more than five minutes off."""
    secret, body = SigningSecret(SECRET), b'{"id": "a"}'
    headers = signature(body, SECRET, 0)
    sent_at = int(headers["webhook-timestamp"])
    assert secret.signed(headers, body)
    assert not secret.signed(headers, body + b" ")
    assert not SigningSecret("whsec_" + "A" * 32).signed(headers, body)
    for changed in (
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(sent_at + 1)},
        {"webhook-timestamp": "now"},
        {"webhook-signature": ""},
        {"webhook-signature": headers["webhook-signature"].split()[0]},
        {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")},
    ):
        assert not secret.signed(headers | changed, body), changed
    for seconds, valid in ((299, True), (-299, True), (302, False), (-302, False)):
        monkeypatch.setattr(webhooks.time, "time", lambda offset=seconds: sent_at + offset)
        assert secret.signed(headers, body) is valid, seconds


@pytest.mark.parametrize("text", ["whsec_", "whsec_§", "whsec_abc", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_malformed_callback_secret_is_refused(text: str) -> None:
    """When the settings are loaded, not at the first callback."""
    with pytest.raises(ValueError, match="must be whsec_ and base64"):
        SigningSecret(text)


def test_callback_signed_now_is_accepted() -> None:
    """By the system clock."""
    assert SigningSecret(SECRET).signed(signature(b"{}", SECRET, 0), b"{}")
    assert abs(time.time() - int(signature(b"", SECRET, 0)["webhook-timestamp"])) < 5
