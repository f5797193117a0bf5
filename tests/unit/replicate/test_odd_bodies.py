"""Bodies of responses that are not what the API describes (provider `replicate`)."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from providers.hosted import http
from providers.hosted.failures import LONGEST_WAIT_SECONDS, error_of
from providers.hosted.retrying import NoResponse
from providers.port import Failure, Order, Rendered
from providers.replicate.api import Api
from providers.replicate.model import Model
from providers.replicate.models import Models
from providers.replicate.prediction import parse
from providers.replicate.provider import ReplicateProvider
from providers.replicate.template import Template
from tests.support.fixed_answers import Answers, answer, answering
from tests.support.orders import all_of
from tests.support.plain_ids import plain_text
from tests.support.replicate import BRIEF, CALLBACKS, INPUT
from tests.support.replicate_state import TOKEN, VERSION

GET, LIST, CREATE = "GET /v1/predictions/one", "GET /v1/predictions", "POST /v1/predictions"


def nested(levels: int, name: bytes = b"message") -> bytes:
    """Return JSON objects in each other."""
    return b'{"%s":' % name * levels + b'"deep"' + b"}" * levels


def prediction(**fields: Any) -> bytes:
    """Return the JSON of a prediction."""
    plain: dict[str, Any] = {
        "id": "one",
        "status": "processing",
        "input": {},
        "created_at": datetime.now(UTC).isoformat(),
    }
    return json.dumps(plain | fields).encode()


@asynccontextmanager
async def buying_at(answers: Answers) -> AsyncGenerator[ReplicateProvider]:
    """Make a provider with short time limits."""
    async with answering(answers) as origin:
        provider = a_provider(origin)
        yield provider
        await provider.close()


@asynccontextmanager
async def delivering(output: Any, files: Answers) -> AsyncGenerator[ReplicateProvider]:
    """Make a provider whose prediction has succeeded with these files, by their paths."""
    answers = dict(files)
    async with answering(answers) as origin:
        paths = [output] if isinstance(output, str) else output
        answers[GET] = answer(prediction(status="succeeded", output=[f"{origin}{path}" for path in paths]))
        provider = a_provider(origin)
        yield provider
        await provider.close()


def a_provider(origin: str) -> ReplicateProvider:
    """Make a provider with short time limits, with clips of at most 1000 bytes."""
    model = Model(VERSION, Template(INPUT), CALLBACKS)
    api = Api(f"{origin}/v1", TOKEN)
    return ReplicateProvider(api, Models(api, BRIEF, [model]), BRIEF, lifetime_seconds=60, most_bytes=1000)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'{"id": "one", "status": "succ',
        b"[]",
        b"17",
        b"null",
        b"{}",
        b'{"id": ""}',
        b'{"id": "another", "status": "succeeded"}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        nested(100_000),
        b'{"id": 1' + b"0" * 5000 + b"}",
    ],
    ids=lambda body: plain_text(body[:40]),
)
async def test_body_that_is_not_the_prediction_is_no_response(body: bytes) -> None:
    """Such as a page with the status 200, JSON that was cut off, one nested too deeply, or another prediction."""
    async with answering({GET: answer(body)}) as origin:
        client = Api(f"{origin}/v1", TOKEN)
        with pytest.raises(NoResponse):
            await client.get("one")
        await client.close()


async def test_body_is_read_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that is too large, nor one that takes too long, keeps memory or time."""
    async with answering({GET: answer(prediction(logs="x" * 1000))}) as origin:
        client = Api(f"{origin}/v1", TOKEN)
        assert (await client.get("one")).logs == "x" * 1000
        for limit, reason in (("MOST_RESPONSE_BYTES", "too large"), ("RESPONSE_SECONDS", "takes too long")):
            with monkeypatch.context() as limited:
                limited.setattr(http, limit, 0)
                with pytest.raises(NoResponse, match=reason):
                    await client.get("one")
        await client.close()


@pytest.mark.parametrize("levels", [100, 600, 900])
async def test_error_nested_deeply_fails_the_prediction_as_any_other(order: Order, levels: int) -> None:
    """Its words are searched for within limits."""
    body = b'{"id":"one","status":"failed","error":' + nested(levels) + b"}"
    async with buying_at({GET: answer(body)}) as provider:
        with pytest.raises(Failure) as caught:
            await all_of(provider.follow(order, "one"))
    assert caught.value.code == "PREDICTION_FAILED"


async def test_missing_fields_of_a_prediction_are_unknown() -> None:
    """All but the id: a prediction without a status is taken as running."""
    bare = parse({"id": "one", "status": None, "logs": 17, "output": None, "created_at": 5, "webhook": []})
    assert (bare.finished, bare.logs, bare.created_at, bare.webhook) == (False, "", None, None)


@pytest.mark.parametrize("created_at", [None, "2999-01-01T00:00:00Z", "yesterday"])
async def test_prediction_is_found_in_a_list_whatever_its_date(order: Order, created_at: str | None) -> None:
    """Its callback URL is that of the order."""
    own = prediction(id="own", created_at=created_at, webhook=f"{CALLBACKS}/callbacks/replicate/{order.key}")
    odd = b'{"id":"odd","input":{"prompt":' + nested(900) + b'},"webhook":null}'
    body = b'{"next":null,"results":[' + odd + b"," + own + b"]}"
    async with buying_at({LIST: answer(body)}) as provider:
        assert await provider.submit(order) == "own"


async def test_list_without_an_end_is_no_response(order: Order) -> None:
    """Nothing is created for an order that may be in it."""
    body = b'{"results":[],"next":"https://api.test/v1/predictions?cursor=same"}'
    async with buying_at({LIST: answer(body), CREATE: answer(prediction(), status=201)}) as provider:
        with pytest.raises(Failure) as caught:
            await provider.submit(order)
        assert (caught.value.code, caught.value.unsettled) == ("PROVIDER_UNAVAILABLE", True)
        assert await provider.submit(replace(order, fresh=True)) == "one"


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, b'{"retry_after": 1%s}' % (b"0" * 400), LONGEST_WAIT_SECONDS),
        ({}, b'{"retry_after": NaN}', 0.0),
        ({}, b'{"detail": "resets in ~%ss"}' % (b"9" * 400), LONGEST_WAIT_SECONDS),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 -0000"}, b"", 0.0),
        ({"retry-after": "Mon, 01 Jan 99999 00:00:00 GMT"}, b"", 0.0),
        ({"retry-after": "soon"}, b"", 0.0),
        ({"retry-after": "-5"}, b"", 0.0),
    ],
)
def test_requested_pause_is_bounded(headers: dict[str, str], body: bytes, seconds: float) -> None:
    """Whatever number or date it is."""
    error = error_of(httpx.Response(429, headers=headers, content=body))
    assert isinstance(error, NoResponse)
    assert error.wait_seconds == seconds


@pytest.mark.parametrize(
    "output", ["https://replicate.delivery/\ud800.mp4", "https://a/\0.mp4", f"https://{'ü' * 300}/"]
)
async def test_output_that_is_no_url_is_refused(order: Order, output: str) -> None:
    """The failure names no long host."""
    async with buying_at({GET: answer(prediction(status="succeeded", output=output))}) as provider:
        with pytest.raises(Failure) as caught:
            await all_of(provider.follow(order, "one"))
    assert caught.value.code == "OUTPUT_REFUSED"
    assert len(caught.value.message) < 500


def video(body: bytes, **details: Any) -> bytes:
    """Return an answer with a file that is announced as a clip."""
    return answer(body, content_type="video/mp4", **details)


OTHER_FILES = {
    "not found": video(b"", status=404),
    "too large": video(b"x" * 1001),
    "page": answer(b"<html>", content_type="text/html"),
    "redirect to elsewhere": video(b"", status=302, headers="location: http://169.254.169.254/\r\n"),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
async def test_file_that_cannot_be_had_does_not_hide_the_next(order: Order, kind: str) -> None:
    """The next file of the output is the clip."""
    output = ["/first.mp4", "/second.mp4"]
    async with delivering(output, {"GET /first.mp4": OTHER_FILES[kind], "GET /second.mp4": video(b"clip")}) as provider:
        *_, rendered = await all_of(provider.follow(order, "one"))
    assert isinstance(rendered, Rendered)
    assert rendered.clip.path.read_bytes() == b"clip"


@pytest.mark.parametrize("kind", ["not found", "page"])
async def test_clip_that_may_still_be_had_is_looked_for_by_the_next_take(order: Order, kind: str) -> None:
    """Although other files of the output are certainly not the clip."""
    answers = {"GET /first.mp4": OTHER_FILES["too large"], "GET /second.mp4": OTHER_FILES[kind]}
    async with delivering(["/first.mp4", "/second.mp4"], answers) as provider:
        with pytest.raises(Failure) as caught:
            await all_of(provider.follow(order, "one"))
    assert (caught.value.retryable, caught.value.unsettled) == (False, True)


@pytest.mark.parametrize("status", [202, 204, 206, 304])
async def test_answer_without_the_whole_file_is_no_clip(order: Order, status: int) -> None:
    """Even if it is no error."""
    async with delivering("/clip.mp4", {"GET /clip.mp4": video(b"", status=status)}) as provider:
        with pytest.raises(Failure) as caught:
            await all_of(provider.follow(order, "one"))
    assert (caught.value.code, caught.value.unsettled) == ("OUTPUT_UNAVAILABLE", True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}"], ids=plain_text)
async def test_cancel_without_a_usable_response_is_checked_by_a_look(body: bytes) -> None:
    """It had its effect."""
    answers = {"POST /v1/predictions/one/cancel": answer(body), GET: answer(prediction(status="canceled"))}
    async with buying_at(answers) as provider:
        await provider.cancel("one")
