"""The clip among the outputs of a finished prompt.

Nodes that save videos report them as they like: SaveVideo and SaveWEBM under `images`, VideoHelperSuite under `gifs`,
others under `video` or `videos`.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from providers.comfyui.values import is_object, items
from providers.port import Failure

VIDEO_SUFFIXES = frozenset({"mp4", "m4v", "webm", "mov", "mkv"})


class File(NamedTuple):
    """A file of ComfyUI, as GET /view takes it. `folder` is output, temp or input."""

    name: str
    subfolder: str
    folder: str


def clip_of(outputs: Mapping[str, object], node: str | None) -> File:
    """Return the clip of a node, or of all nodes: saved ones before previews, and of several the last one.

    Raises Failure (NO_OUTPUT), not retryable: the same workflow would do the same.
    """
    files = [file for name, output in outputs.items() if _is_of(name, node) for file in _files(output)]
    clips = [file for file in files if file.name.rpartition(".")[2].lower() in VIDEO_SUFFIXES]
    saved = [clip for clip in clips if clip.folder != "temp"]
    if not clips:
        others = f", only {files[0].name[:100]}" if files else ""
        message = (
            f"The workflow saved no video{others}: it needs a node such as SaveVideo, which its template can name."
        )
        raise Failure("NO_OUTPUT", message, retryable=False)
    return (saved or clips)[-1]


def _is_of(name: str, node: str | None) -> bool:
    # Nodes that a node is expanded to have its id before theirs.
    return node is None or name == node or name.startswith(f"{node}.")


def _files(output: object) -> Iterator[File]:
    for entries in output.values() if is_object(output) else ():
        for item in items(entries):
            if is_object(item) and isinstance(name := item.get("filename"), str) and name:
                yield File(name, str(item.get("subfolder") or ""), str(item.get("type") or "output"))
