"""Messages of the websocket: the progress of all nodes, and previews (provider `comfyui`)."""

import json
import struct
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from providers.comfyui.marks import client_id, prompt_id
from providers.comfyui.previews import encoded, picture_in
from providers.comfyui.progress import NodeProgress
from providers.port import MOST_PICTURE_BYTES

WEIGHTS = {"1": 1.0, "2": 8.0, "3": 1.0}


def fractions(*messages: tuple[str, dict[str, Any]]) -> list[float | None]:
    """Return the progress after each message."""
    progress = NodeProgress(WEIGHTS)
    found: list[float | None] = []
    for kind, data in messages:
        progress.update(kind, data)
        found.append(progress.fraction)
    return found


def state(**nodes: tuple[float, float, str]) -> tuple[str, dict[str, Any]]:
    """Return a message about all nodes that have started."""
    states = {
        name.removeprefix("n"): {"value": value, "max": most, "state": kind}
        for name, (value, most, kind) in nodes.items()
    }
    return "progress_state", {"nodes": states}


def test_nodes_count_by_their_weight() -> None:
    """The last node is never reported as everything: the clip is not there yet."""
    reported = fractions(
        state(n1=(0, 1, "running")),
        state(n1=(1, 1, "finished"), n2=(0, 20, "running")),
        state(n1=(1, 1, "finished"), n2=(10, 20, "running")),
        state(n1=(1, 1, "finished"), n2=(20, 20, "finished"), n3=(1, 1, "finished")),
    )
    assert reported == pytest.approx([0.0, 0.1, 0.5, 0.99])


def test_progress_never_falls() -> None:
    """A node with two phases begins at 0 again."""
    reported = fractions(
        ("progress", {"node": "2", "value": 5, "max": 10}), ("progress", {"node": "2", "value": 1, "max": 10})
    )
    assert reported == pytest.approx([0.4, 0.4])


def test_node_is_finished_when_the_next_one_runs() -> None:
    """Versions without `progress_state` say nothing else."""
    reported = fractions(
        ("execution_cached", {"nodes": ["1"]}),
        ("executing", {"node": "2"}),
        ("progress", {"node": "2", "value": 1, "max": 2}),
        ("executing", {"node": "3"}),
        ("executing", {"node": None}),
    )
    assert reported == pytest.approx([0.1, 0.1, 0.5, 0.9, 0.99])


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("progress_state", {"nodes": {"2.0.1": {"value": 1, "max": 1, "state": "finished"}}}),
        ("progress_state", {"nodes": []}),
        ("progress_state", {"nodes": {"2": "odd"}}),
        ("progress", {"node": "2", "value": "1", "max": 0}),
        ("progress", {"node": ["2"], "value": 1, "max": 1}),
        ("execution_cached", {"nodes": "1"}),
        ("executed", {}),
        ("executing", {"node": 2}),
        ("status", {"status": {}}),
    ],
    ids=[
        *("unknown node", "list", "odd state", "odd values", "odd node", "odd cache", "no node", "number", "other"),
    ],
)
def test_odd_messages_are_ignored(kind: str, data: dict[str, Any]) -> None:
    """They come from custom nodes."""
    assert fractions((kind, data)) == [0.0]


def test_workflow_without_nodes_has_no_progress() -> None:
    """Its template is gone."""
    progress = NodeProgress({})
    assert not progress.update("executing", {"node": "1"})
    assert progress.fraction is None


def image(kind: str = "JPEG", size: tuple[int, int] = (512, 288)) -> bytes:
    """Return an encoded image."""
    encoding = BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(encoding, kind)
    return encoding.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_preview_becomes_a_small_webp(kind: str) -> None:
    """At most 320 pixels on its longer side, and at most 30 kB."""
    picture = picture_in(struct.pack(">II", 1, 1 if kind == "JPEG" else 2) + image(kind))
    assert picture is not None
    webp = encoded(picture)
    assert webp is not None
    assert len(webp) <= MOST_PICTURE_BYTES
    with Image.open(BytesIO(webp)) as opened:
        assert (opened.format, opened.size) == ("WEBP", (320, 180))


def test_preview_may_come_with_metadata() -> None:
    """As JSON before the image, or as fields of an animating node."""
    picture, metadata = image(), json.dumps({"node_id": "9"}).encode()
    assert picture_in(struct.pack(">II", 4, len(metadata)) + metadata + picture) == picture
    assert picture_in(struct.pack(">IIII16p", 1, 1, 1, 7, b"9") + picture) == picture


@pytest.mark.parametrize(
    "message",
    [b"", b"\0\0\0\1", struct.pack(">II", 3, 1) + b"text", struct.pack(">II", 1, 1) + b"no picture" * 20],
    ids=["empty", "short", "text", "no picture"],
)
def test_other_binary_messages_are_no_preview(message: bytes) -> None:
    """They are ignored."""
    assert picture_in(message) is None


@pytest.mark.parametrize(
    "picture",
    [image()[:500], b"\xff\xd8\xff" + b"no picture", image("PNG", (1, 1)).replace(b"\0\0\0\1\0\0\0\1", b"\0\xff" * 4)],
    ids=["cut", "no picture", "huge"],
)
def test_preview_that_cannot_be_decoded_is_dropped(picture: bytes) -> None:
    """It is only a preview; a picture of many pixels is not decoded at all."""
    assert encoded(picture) is None


def test_messages_go_to_the_client_id_that_the_prompt_was_submitted_with() -> None:
    """Versions that choose the id of a prompt keep that of the client."""
    own = prompt_id("take_1")
    assert client_id(own, "take_2") == own
    assert client_id("0b8f2c5e-9d1a-4a44-8a57-5b8b4b6f3a10", "take_1") == own
    assert client_id("odd", "take_1") == own
