"""Reference pictures of a clip, shown small in a row in the upper left corner."""

from pathlib import Path

from PIL import Image

from providers.catalogue import InputRole
from providers.render import photograph
from providers.render.overlay import Overlay
from providers.render.pixels import resized
from providers.render.wire import Ticket

# Sizes as shares of the frame's shorter side; the row begins below the take in the other corner.
SIDE, TOP, MARGIN, GAP, RIM = 0.16, 0.13, 0.06, 0.02, 0.004


def references(ticket: Ticket, size: tuple[int, int]) -> list[Overlay]:
    """Return the small pictures. Raises Failure when a file is no picture."""
    shorter = min(size)
    side, gap, rim = (max(1, round(shorter * share)) for share in (SIDE, GAP, RIM))
    left, top = round(shorter * MARGIN), round(shorter * TOP)
    shown: list[Overlay] = []
    for source in (source for source in ticket.pictures if source.role == InputRole.REFERENCE):
        framed = _framed(photograph.read(Path(source.path), source.name), side, rim)
        shown.append(Overlay(framed, Image.new("L", framed.size, 255), (left, top)))
        left += framed.width + gap
    return shown


def _framed(image: Image.Image, side: int, rim: int) -> Image.Image:
    """Shrink a picture into a square of this side, its white rim included."""
    scale = (side - 2 * rim) / max(image.size)
    small = resized(image, (round(image.width * scale), round(image.height * scale)), reducing_gap=2.0)
    framed = Image.new("RGB", (small.width + 2 * rim, small.height + 2 * rim), "white")
    framed.paste(small, (rim, rim))
    return framed
