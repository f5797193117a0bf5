"""Decoded pictures as they are displayed: turned upright, with square pixels, in standard colours, and small."""

from pathlib import Path
from typing import Any, cast

from av.filter import Graph
from PIL import Image

from providers.clips.colour import Colour
from providers.clips.description import Pictures, colour_of
from providers.joining.fit import rgb_filters

# The longer side of a poster, in pixels: the size of the clips of `local`, which fits into 30 kB.
POSTER_SIDE = 1280


class Images:
    """Converts the pictures of one clip, whose size and format may change in the middle."""

    def __init__(self, clip: Pictures, folder: Path, longest_side: int = POSTER_SIDE) -> None:
        """Take the folder for tables of colours."""
        self._clip = clip
        self._folder = folder
        width, height = clip.displayed
        scale = min(1.0, longest_side / max(width, height))
        self._size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._kind: tuple[int, int, str, Colour] | None = None
        self._graph = Graph()

    def image(self, picture: Any) -> Image.Image:
        """Return a decoded picture as an RGB image."""
        kind = (picture.width, picture.height, picture.format.name, colour_of(picture))
        if kind != self._kind:
            self._kind, self._graph = kind, self._made(picture)
        self._graph.push(picture)
        return cast("Image.Image", cast("Any", self._graph.pull()).to_image())

    def _made(self, like: Any) -> Graph:
        graph, turn = Graph(), self._clip.turn
        width, height = reversed(self._size) if turn.swaps_sides else self._size
        given = f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}:time_base=1/1000"
        chain = (*rgb_filters(like, width, height, self._folder), *turn.filters)
        nodes = [graph.add("buffer", given), *(graph.add(name, text or None) for name, text in chain)]
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        return graph
