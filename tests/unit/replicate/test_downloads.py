"""The clip of a prediction is downloaded (provider `replicate`)."""

from dataclasses import replace

import pytest

from providers.clips.containers import MP4, container_of
from providers.port import Failure, Order
from tests.support.orders import all_of, looked_at, made
from tests.support.replicate import BRIEF, FakeReplicate, NewProvider, failure


@pytest.mark.parametrize("output", ["string", "list", "object"])
async def test_clip_is_found_in_any_shape_of_output(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, output: str
) -> None:
    """A model returns a URL, a list of URLs or an object; images beside the clip are ignored."""
    fake.behave(output=output)
    rendered = await made(new_provider(), order)
    assert (rendered.clip.path, rendered.clip.content_type) == (order.workdir / "clip.mp4", "video/mp4")
    clip = (await looked_at(rendered, order)).clip
    assert (clip.width, clip.height, clip.duration_seconds) == (64, 36, 1.0)


@pytest.mark.parametrize("fault", ["status", "cut"])
async def test_failed_download_of_a_clip_is_retried(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, fault: str
) -> None:
    """From its start; the clip is paid for."""
    fake.fault("download", fault, status=503, times=2)
    assert container_of((await made(new_provider(), order)).clip.path) == MP4
    assert fake.counts()["download"] == 3


@pytest.mark.parametrize("status", [400, 500], ids=["refused", "timed out"])
async def test_clip_that_cannot_be_downloaded_is_not_retryable(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, status: int
) -> None:
    """A retry would pay for another prediction."""
    fake.fault("download", "status", status=status, times=1000)
    assert await failure(new_provider(BRIEF), order) == ("OUTPUT_UNAVAILABLE", False)
    assert fake.counts()["creations"] == 1


async def test_clip_that_cannot_be_written_is_not_retryable(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The download is retried until the timeout: disk space may become free."""
    order.workdir.rmdir()
    assert await failure(new_provider(replace(BRIEF, give_up_after=2.0)), order) == ("OUTPUT_UNAVAILABLE", False)
    assert fake.counts()["download"] > 1


async def test_clip_that_replicate_deleted_has_expired(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """After an hour the prediction exists without its output."""
    provider = new_provider()
    prediction_id = await provider.submit(order)
    fake.command("release")
    fake.command("expire")
    with pytest.raises(Failure) as caught:
        await all_of(provider.follow(order, prediction_id))
    assert (caught.value.code, caught.value.retryable) == ("OUTPUT_EXPIRED", False)


async def test_clip_whose_url_is_not_found_has_expired(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The prediction still has the URL of its output."""
    fake.fault("download", "status", status=404, times=1000)
    assert await failure(new_provider(BRIEF), order) == ("OUTPUT_EXPIRED", False)


@pytest.mark.parametrize("with_length", [True, False], ids=["with length", "without length"])
async def test_clip_that_is_too_large_is_refused(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, with_length: bool
) -> None:
    """With and without a Content-Length; at most the limit is written to disk."""
    fake.behave(garbage_bytes=3_000_000, send_length=with_length)
    assert await failure(new_provider(most_bytes=2_000_000), order) == ("OUTPUT_TOO_LARGE", False)
    assert sum(path.stat().st_size for path in order.workdir.iterdir()) <= 2_000_000


async def test_clip_of_the_largest_size_is_accepted(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """The limit is inclusive."""
    fake.behave(garbage_bytes=2_000_000)
    rendered = await made(new_provider(most_bytes=2_000_000), order)
    assert rendered.clip.path.stat().st_size == 2_000_000


@pytest.mark.parametrize("content_type", ["text/html", "image/png", "video/x-flv"])
async def test_output_that_is_not_a_clip_is_refused(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, content_type: str
) -> None:
    """Its bytes are none, and it is not announced as one."""
    fake.behave(content_type=content_type, garbage_bytes=10_000)
    assert await failure(new_provider(BRIEF), order) == ("OUTPUT_NOT_A_CLIP", False)


async def test_clip_without_a_content_type_is_accepted_by_its_extension(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """Some models upload files without a content type."""
    fake.behave(content_type="application/octet-stream")
    assert (await made(new_provider(), order)).clip.content_type == "video/mp4"


async def test_clip_that_cannot_be_decoded_is_kept(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """It is announced as a clip and was paid for: the caller looks at it, and keeps it for the operator."""
    fake.behave(garbage_bytes=1000)
    rendered = await made(new_provider(), order)
    assert rendered.clip.path.stat().st_size == 1000
    assert (rendered.clip.content_type, rendered.checked, rendered.repeatable) == ("video/mp4", False, False)


async def test_clip_on_another_host_is_refused(fake: FakeReplicate, new_provider: NewProvider, order: Order) -> None:
    """The output of a model cannot make this server request a private address (SSRF)."""
    fake.behave(output="elsewhere")
    assert await failure(new_provider(), order) == ("OUTPUT_REFUSED", False)
