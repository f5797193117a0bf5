"""Fits pictures into the frame: turned, with square pixels, at most as large, in BT.709, with black bars."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from av.filter import Graph

from providers.clips.colour import (
    FIRST_HIGH_DEFINITION,
    FULL,
    LIMITED,
    MATRIX_BT470,
    MATRIX_BT601,
    MATRIX_BT2020,
    Colour,
)
from providers.clips.description import Pictures, check_size, colour_of, displayed_size
from providers.joining import tone
from providers.joining.media import Picture
from providers.joining.target import Target, even

_MATRICES = {1: "bt709", 4: "fcc", 7: "smpte240m", MATRIX_BT2020: "bt2020", MATRIX_BT2020 + 1: "bt2020"}
_FILTERS = tuple[tuple[str, str], ...]


class Fit:
    """Fits pictures of one size, format and colour; tables of colours are written to `folder`."""

    def __init__(self, like: Picture, clip: Pictures, target: Target, folder: Path) -> None:
        check_size(like.width, like.height)
        self._like = _kind(like)
        self._graph = Graph()
        colour = colour_of(like)
        chain: _FILTERS = (
            *clip.turn.filters,
            *_scaled(like, clip, target, colour, folder),
            ("pad", f"{target.width}:{target.height}:(ow-iw)/4*2:(oh-ih)/4*2"),
            ("setsar", "1"),
        )
        given = f"video_size={like.width}x{like.height}:pix_fmt={like.format.name}:time_base=1/1000"
        nodes = [self._graph.add("buffer", given), *(self._graph.add(name, text or None) for name, text in chain)]
        self._graph.link_nodes(*nodes, self._graph.add("buffersink")).configure()

    def accepts(self, picture: Picture) -> bool:
        """Return whether the picture has that size, format and colour."""
        return self._like == _kind(picture)

    def apply(self, picture: Picture) -> Picture:
        """Return the fitted picture."""
        self._graph.push(cast("Any", picture))
        return cast("Picture", self._graph.pull())


def fitted_size(displayed: tuple[int, int], target: Target) -> tuple[int, int]:
    """Return the even size at which a picture that is shown at `displayed` fits into the frame."""
    width, height = displayed
    scale = min(Fraction(target.width, width), Fraction(target.height, height))
    return even(round(width * scale)), even(round(height * scale))


def _kind(picture: Picture) -> tuple[int, int, str, Colour]:
    return picture.width, picture.height, picture.format.name, colour_of(picture)


def _scaled(like: Picture, clip: Pictures, target: Target, colour: Colour, folder: Path) -> _FILTERS:
    width, height = fitted_size(displayed_size(like.width, like.height, clip.pixel_aspect, clip.turn), target)
    size = f"{width}:{height}:in_range={_range(like, colour)}{_matrix(like, colour)}"
    standard = "out_color_matrix=bt709:out_range=tv"
    if not tone.needs_mapping(colour):
        return (("scale", f"{size}:{standard}"), ("format", "yuv420p"))
    return (("scale", size), *_mapped(colour, folder), ("scale", standard), ("format", "yuv420p"))


def rgb_filters(like: Picture, width: int, height: int, folder: Path) -> _FILTERS:
    """Return the filters that make images of pictures like this one, in the colours of displays of standard range."""
    colour = colour_of(like)
    scaled = ("scale", f"{width}:{height}:in_range={_range(like, colour)}{_matrix(like, colour)}")
    mapped = _mapped(colour, folder) if tone.needs_mapping(colour) else ()
    return (scaled, *mapped, ("format", "rgb24"))


def _mapped(colour: Colour, folder: Path) -> _FILTERS:
    """Return the filters that map the colours of scaled pictures to standard range."""
    shaper, cube = tone.write_tables(colour, folder)
    return (
        ("format", "gbrp12le"),
        ("lut1d", f"file={_escaped(shaper)}"),
        ("lut3d", f"file={_escaped(cube)}:interp=tetrahedral"),
    )


def _range(like: Picture, colour: Colour) -> str:
    full = colour.range == FULL or (colour.range != LIMITED and like.format.name.startswith("yuvj"))
    return "pc" if full or _is_rgb(like) else "tv"


def _matrix(like: Picture, colour: Colour) -> str:
    """Return the option that names the matrix; untagged pictures have the one that players assume for their size."""
    if _is_rgb(like):
        return ""
    name = _MATRICES.get(colour.matrix)
    if name is None and colour.matrix not in (MATRIX_BT470, MATRIX_BT601):
        name = "bt709" if min(like.width, like.height) >= FIRST_HIGH_DEFINITION else None
    return f":in_color_matrix={name or 'bt601'}"


def _is_rgb(like: Picture) -> bool:
    return like.format.is_rgb


def _escaped(path: Path) -> str:
    """Return a path as an option of a filter: within quotes, only the quote itself is special."""
    return "'" + str(path).replace("'", "'\\''") + "'"
