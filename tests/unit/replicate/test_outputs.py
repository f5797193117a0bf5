"""The clip is found in outputs of any shape, by the bytes of its files (provider `replicate`)."""

from typing import Any

import pytest

from providers.hosted.outputs import MOST_CANDIDATES, Candidate, Likelihood, candidates
from providers.port import Order, Rendered
from tests.support.media_files import probe
from tests.support.orders import made
from tests.support.plain_ids import plain_text
from tests.support.replicate import BRIEF, FakeReplicate, NewProvider, failure

# The clip lasts one second, and the file that is not the clip half a second longer.
CLIP_SECONDS = 1
OTHER: dict[str, Any] = {"kind": "other"}

SHAPES: dict[str, tuple[Any, dict[str, Any]]] = {
    "picture first": ({"thumbnail": "file:a", "video": "file:b"}, {"a": {"kind": "png", "type": ""}}),
    "preview first": ({"preview": "file:preview.mp4", "video": "file:out.mp4"}, {"preview.mp4": OTHER}),
    "preview first in a list": (
        [{"name": "preview_video", "preview_url": "file:p.mp4"}, {"video_url": "file:out.mp4"}],
        {"p.mp4": OTHER},
    ),
    "nested": ({"result": {"files": [{"mask": "file:mask.mp4"}, "file:clip.mp4"]}}, {"mask.mp4": OTHER}),
    "refused address first": (["elsewhere:out.mp4", "file:out.mp4"], {}),
    "refused address in between": ({"image": "elsewhere:a.png", "video": "elsewhere:v.mp4", "mp4": "file:v.mp4"}, {}),
    "page first": (["file:a", "file:b"], {"a": {"kind": "html", "type": "text/html"}}),
    "page named as a clip is not hidden by what follows": (["file:a.bin", "file:b.bin"], {"a.bin": {"kind": "html"}}),
    "inline": ("inline:mp4;video/mp4", {}),
    "inline without a type": ("inline:mp4;", {}),
    "inline picture beside it": (["inline:png;image/png", "inline:mp4;video/mp4"], {}),
    "application/mp4": ("file:out", {"out": {"type": "application/mp4"}}),
    "octet-stream without suffix": ("file:out", {"out": {"type": "application/octet-stream"}}),
    "no type and no suffix": ("file:out", {"out": {"type": ""}}),
    "type in capitals with parameters": ("file:out", {"out": {"type": 'Video/MP4; codecs="avc1"'}}),
    "wrong type": ("file:out.mp4", {"out.mp4": {"type": "text/plain"}}),
    "wrong suffix": ("file:out.gif", {"out.gif": {"type": "video/mp4"}}),
    "redirect to a path": ("file:first", {"first": {"redirect": "out.mp4"}}),
    "permanent redirect": ("file:first", {"first": {"redirect": "out.mp4", "status": 308}}),
    "several redirects": (
        "file:a",
        {"a": {"redirect": "b", "status": 301}, "b": {"redirect": "c", "status": 303}, "c": {"redirect": "out.mp4"}},
    ),
}

REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    ("elsewhere:out.mp4", {}, "OUTPUT_REFUSED"),
    (["elsewhere:out.mp4", "elsewhere:again.mp4"], {}, "OUTPUT_REFUSED"),
    ({"video": "elsewhere:out.mp4", "preview": "file:preview.mp4"}, {}, "OUTPUT_REFUSED"),
    ("http://[::1", {}, "OUTPUT_REFUSED"),
    ("https://replicate.delivery.example/out.mp4", {}, "OUTPUT_REFUSED"),
    ("https://replicate.delivery@169.254.169.254/out.mp4", {}, "OUTPUT_REFUSED"),
    ("http://replicate.delivery/out.mp4", {}, "OUTPUT_REFUSED"),
    ("file:a", {"a": {"redirect": "http://169.254.169.254/latest/meta-data"}}, "OUTPUT_REFUSED"),
    ("file:a", {"a": {"redirect": "//169.254.169.254/out.mp4"}}, "OUTPUT_REFUSED"),
    ("file:a", {"a": {"redirect": "http://localhost:1/out.mp4"}}, "OUTPUT_REFUSED"),
    ("file:a", {"a": {"redirect": "file:///etc/passwd"}}, "OUTPUT_REFUSED"),
    ("file:a", {"a": {"redirect": "a"}}, "OUTPUT_REFUSED"),
    ("file:a", {"a": {"kind": "html", "type": "text/html"}}, "OUTPUT_NOT_A_CLIP"),
    ("file:a.png", {}, "OUTPUT_NOT_A_CLIP"),
    ("data:video/mp4;base64,§§§", {}, "OUTPUT_NOT_A_CLIP"),
    ("data:nothing", {}, "OUTPUT_NOT_A_CLIP"),
    ("data:text/plain,hello", {}, "OUTPUT_NOT_A_CLIP"),
    (["hello", 17, None, {"a": []}], {}, "NO_OUTPUT"),
    ("data:application/octet-stream," + "x" * 3_000_000, {}, "OUTPUT_TOO_LARGE"),
    ("data:application/octet-stream," + "x" * 1_500_000, {}, "OUTPUT_TOO_LARGE"),
]


@pytest.mark.parametrize("shape", SHAPES)
async def test_clip_is_found_in_an_output(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, shape: str
) -> None:
    """What is most likely the clip is tried first, and files that are none are passed over."""
    outputs, files = SHAPES[shape]
    if shape.startswith("page named"):
        files = {name: {"type": "application/octet-stream", **file} for name, file in files.items()}
    fake.behave(outputs=outputs, files=files)
    rendered = await made(new_provider(), order)
    assert (rendered.clip.content_type, rendered.clip.path.name) == ("video/mp4", "clip.mp4")
    assert probe(rendered.clip.path).seconds == CLIP_SECONDS


@pytest.mark.parametrize(
    ("kind", "content_type", "suffix"),
    [("mov", "video/quicktime", "mov"), ("webm", "video/webm", "webm"), ("mkv", "video/x-matroska", "mkv")],
)
@pytest.mark.parametrize("announced", ["video/mp4", "application/octet-stream", ""])
async def test_content_type_of_a_clip_is_that_of_its_bytes(
    fake: FakeReplicate,
    new_provider: NewProvider,
    order: Order,
    kind: str,
    content_type: str,
    suffix: str,
    announced: str,
) -> None:
    """Whatever it is announced as."""
    fake.behave(outputs="file:out", files={"out": {"kind": kind, "type": announced}})
    rendered = await made(new_provider(), order)
    assert isinstance(rendered, Rendered)
    assert (rendered.clip.content_type, rendered.clip.path.suffix) == (content_type, f".{suffix}")


@pytest.mark.parametrize(("outputs", "files", "code"), REFUSED, ids=plain_text)
async def test_output_without_a_clip_that_may_be_requested_is_refused(
    fake: FakeReplicate, new_provider: NewProvider, order: Order, outputs: Any, files: dict[str, Any], code: str
) -> None:
    """Neither an output nor a redirect makes this server request another address (SSRF)."""
    fake.behave(
        outputs=outputs, files={"a.png": {"type": "image/png"}} | files, content_type="application/octet-stream"
    )
    assert await failure(new_provider(BRIEF), order) == (code, False)


async def test_single_redirect_to_another_host_is_borne(
    fake: FakeReplicate, new_provider: NewProvider, order: Order
) -> None:
    """A proxy may have sent it, to a page where a person proves to be one."""
    fake.fault("download", "redirect", location="https://challenge.test/", times=2)
    assert isinstance(await made(new_provider(), order), Rendered)
    assert fake.counts()["download"] == 3


def test_files_of_an_output_are_ordered_by_likelihood() -> None:
    """By the names of their fields and their suffixes; what is said to be something else comes only alone."""
    output = {
        "cover": "https://a.test/1.mp4",
        "file": "https://a.test/2",
        "video": "https://a.test/3",
        "audio": "https://a.test/4.mp4",
        "more": ["https://a.test/5.webm?x=.png", "https://a.test/6.png", "not an address", "https://a.test/3"],
    }
    assert candidates(output) == [
        Candidate(Likelihood.LIKELY, "https://a.test/3"),
        Candidate(Likelihood.LIKELY, "https://a.test/5.webm?x=.png"),
        Candidate(Likelihood.POSSIBLE, "https://a.test/2"),
        Candidate(Likelihood.POSSIBLE, "https://a.test/3"),
    ]
    assert candidates({"cover": output["cover"]}) == [Candidate(Likelihood.UNLIKELY, "https://a.test/1.mp4")]


def test_deep_and_long_outputs_are_searched_within_limits() -> None:
    """They are untrusted."""
    deep: Any = "https://a.test/out.mp4"
    for _ in range(500):
        deep = [deep]
    assert candidates(deep) == []
    assert len(candidates([f"https://a.test/{number}" for number in range(1000)])) == MOST_CANDIDATES
