"""The parts of the provider for Replicate that need nobody to talk to."""

import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from providers.port import Failure
from providers.replicate import logs, webhooks
from providers.replicate.failures import LONGEST_WAIT_SECONDS, refusal
from providers.replicate.prediction import read
from providers.replicate.retrying import Unanswered
from providers.replicate.template import Template, seed
from providers.replicate.webhooks import SigningSecret
from tests.support.orders import an_order
from tests.support.replicate_state import SECRET, signature

BAR = "\r".join(["  0%|          | 0/20 [00:00<?, ?it/s]", " 45%|████▌     | 9/20 [00:09<00:11,  1.00s/it]"])


def test_a_template_is_filled_with_what_the_order_says() -> None:
    """Numbers stay numbers, text around a placeholder makes it text, and everything else is left alone."""
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


def test_what_the_order_lacks_is_left_out() -> None:
    """A scene without a title sends none; within other text it is nothing."""
    template = Template('{"title": "{title}", "prompt": "{title}: {prompt}", "style": null}')
    assert template.input(an_order(Path(), title=None, prompt="Dawn")) == {"prompt": ": Dawn", "style": None}


@pytest.mark.parametrize("seconds", [5.0, 0.5])
def test_whole_seconds_are_whole_numbers(seconds: float) -> None:
    """Models that take 5 or 10 refuse 5.0."""
    filled = Template('{"d": "{duration_seconds}"}').input(an_order(Path(), duration_seconds=seconds))
    assert repr(filled["d"]) == ("5" if seconds == 5 else "0.5")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ('["{prompt}"]', "is not a JSON object"),
        ('{"prompt": "{promt}"}', r"has no \{promt\}; its placeholders are prompt, title,"),
        ('{"prompt": ["{a}"]}', r"has no \{a\}"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(text: str, why: str) -> None:
    """At the start, in one line."""
    with pytest.raises(ValueError, match=why):
        Template(text)


def test_the_seed_is_found_where_it_was_put() -> None:
    """In an input of any shape, and nothing is found in others."""
    template = Template('{"a": [{"seed": "{seed}"}]}')
    assert template.seeded
    assert template.seed_in(template.input(an_order(Path()))) == seed("take_1")
    others: list[object] = [None, {}, {"a": []}, {"a": [3]}, {"a": "x"}]
    assert [template.seed_in(other) for other in others] == [None] * 5
    assert not Template('{"prompt": "{prompt} {seed}"}').seeded


@pytest.mark.parametrize(
    ("told", "fraction"),
    [
        ("", None),
        ("Using seed: 45", None),
        (BAR, 0.45),
        ("Progress: 12.5%", 0.125),
        ("progress = 7 %\nmemory 80% used", 0.07),
        (f"{BAR}\n100%|██████████| 20/20", 0.99),
        (f"100%|██████████| 20/20\n{BAR}", 0.45),
        ("450%|", None),
        (" 30%|███" + "x" * 10_000, None),
    ],
)
def test_the_newest_percentage_in_the_logs_counts(told: str, fraction: float | None) -> None:
    """As tqdm writes it, or after the word progress; other percentages mean something else."""
    assert logs.fraction(told) == fraction


def test_a_prediction_is_read_with_the_precision_they_use() -> None:
    """Their stamps have more digits than Python's."""
    read_in = read({"id": "a", "status": "starting", "created_at": "2023-11-27T13:35:45.99397566Z", "logs": None})
    assert read_in.created_at == datetime(2023, 11, 27, 13, 35, 45, 993975, UTC)
    assert (read_in.logs, read_in.webhook_told, read_in.over) == ("", False, False)
    others: list[object] = [None, [], {}, {"id": 1, "status": "starting"}]
    for nonsense in others:
        with pytest.raises(ValueError, match="not a prediction"):
            read(nonsense)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after": "7"}, {}, 7),
        ({"retry-after": "86400"}, {}, LONGEST_WAIT_SECONDS),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, {}, 0),
        ({"retry-after": "soon"}, {"retry_after": 9}, 0),
        ({}, {"retry_after": 8}, 8),
        ({}, {"detail": "Request was throttled. Your rate limit resets in ~30s."}, 30),
        ({}, {}, 0),
    ],
)
def test_how_long_to_wait_is_read_from_header_or_body(
    headers: dict[str, str], body: dict[str, object], seconds: float
) -> None:
    """Bounded, and never in the past."""
    judged = refusal(httpx.Response(429, headers=headers, json=body))
    assert isinstance(judged, Unanswered)
    assert (judged.harmless, judged.wait_seconds) == (True, seconds)


def test_a_refusal_without_words_is_still_told_apart() -> None:
    """Proxies answer with pages, not with reasons."""
    judged = refusal(httpx.Response(402, text="<html>"))
    assert isinstance(judged, Failure)
    assert (judged.code, judged.message) == ("PAYMENT_REQUIRED", "Replicate wants to be paid first.")


def test_a_signature_is_that_of_the_scheme() -> None:
    """The example of https://docs.svix.com/receiving/verifying-payloads/how-manual."""
    secret = SigningSecret("whsec_plJ3nmyCDGBKInavdOK15jsl")
    body = b'{"event_type":"ping","data":{"success":true}}'
    signed = secret.signature("msg_loFOjxBNrRLzqYUf", "1731705121", body)
    assert signed == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_a_signed_body_is_accepted_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any change of body, id, time or key spoils it; so does a time that is more than five minutes off."""
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
        monkeypatch.setattr(webhooks.time, "time", lambda off=seconds: sent_at + off)
        assert secret.signed(headers, body) is valid, seconds


@pytest.mark.parametrize("text", ["whsec_", "whsec_§", "whsec_abc", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    """At the start, not at the first callback."""
    with pytest.raises(ValueError, match="must be whsec_ and base64"):
        SigningSecret(text)


def test_the_clock_is_the_real_one() -> None:
    """What was signed just now is accepted now."""
    assert SigningSecret(SECRET).signed(signature(b"{}", SECRET, 0), b"{}")
    assert abs(time.time() - int(signature(b"", SECRET, 0)["webhook-timestamp"])) < 5
