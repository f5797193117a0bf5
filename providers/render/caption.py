"""The caption: title and prompt at the foot of the picture, the take in the corner, on a dark shade."""

from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from providers.render import layout
from providers.render.fonts import Fonts
from providers.render.pixels import mapped, resized
from providers.render.wire import Ticket

WHITE = (255, 255, 255)
SOFT_WHITE = (226, 230, 238)
BLACK = (0, 0, 0)
# The caption's sizes as shares of the frame's shorter side.
TITLE, PROMPT, TAKE, MARGIN = 0.066, 0.038, 0.026, 0.06
# This share of black under white text gives a contrast of at least 4.5:1 on the brightest picture (WCAG 2.2, 1.4.3).
SHADE = 0.62


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture with a mask, pasted on each frame at one place."""

    fill: Image.Image
    mask: Image.Image
    at: tuple[int, int]

    def over(self, image: Image.Image) -> None:
        """Paste it on a frame."""
        image.paste(self.fill, self.at, self.mask)


def caption(ticket: Ticket, fonts: Fonts) -> list[Overlay]:
    """Lay out the text of every frame of the clip."""
    return [*_foot(ticket, fonts), *_corner(ticket, fonts)]


def _foot(ticket: Ticket, fonts: Fonts) -> list[Overlay]:
    side = min(ticket.width, ticket.height)
    margin = _pixels(side, MARGIN)
    width = ticket.width - 2 * margin
    title = layout.block(ticket.title or "", fonts, size=_pixels(side, TITLE), width=width, most_lines=2, bold=True)
    size = _pixels(side, PROMPT)
    room = round(ticket.height * 0.36) - title.height
    prompt = layout.block(
        ticket.prompt, fonts, size=size, width=width, most_lines=max(1, int(room / size / layout.LINE_HEIGHT))
    )
    if not title.lines and not prompt.lines:
        return []
    gap = round(size * 0.4) if title.lines and prompt.lines else 0
    words = title.height + gap + prompt.height
    soft = 2 * margin
    layer = Image.new("RGBA", (ticket.width, min(ticket.height, soft + words + margin)))
    top = layer.height - margin - words
    title.draw(layer, (margin, top), width, WHITE)
    prompt.draw(layer, (margin, top + title.height + gap), width, SOFT_WHITE)
    return [_overlay(layer, _shade(layer.size, soft), (0, ticket.height - layer.height), size)]


def _corner(ticket: Ticket, fonts: Fonts) -> list[Overlay]:
    side = min(ticket.width, ticket.height)
    size, margin = _pixels(side, TAKE), _pixels(side, MARGIN)
    take = layout.block(f"Take {ticket.number}", fonts, size=size, width=ticket.width - 2 * margin, most_lines=1)
    width = round(take.lines[0].width)
    layer = Image.new("RGBA", (width + 2 * size, round(size * 2)))
    take.draw(layer, (size, round(size * 0.36)), width, WHITE)
    place = (ticket.width - margin - layer.width, margin)
    return [_overlay(layer, _pill(layer.size), place, size)]


def _overlay(words: Image.Image, shade: Image.Image, at: tuple[int, int], size: int) -> Overlay:
    """Put the text on the shade, with a soft shadow."""
    shadow = words.getchannel("A").filter(ImageFilter.GaussianBlur(max(1, size / 7)))
    ground = Image.new("RGBA", words.size, (*BLACK, 0))
    ground.putalpha(ImageChops.lighter(shade, shadow))
    ground.alpha_composite(words)
    return Overlay(ground.convert("RGB"), ground.getchannel("A"), at)


def _shade(size: tuple[int, int], soft: int) -> Image.Image:
    """Darken towards the foot: from nothing at the top to the full shade `soft` pixels below."""
    shade = Image.new("L", size, round(255 * SHADE))
    ramp = resized(mapped(Image.linear_gradient("L"), lambda v: v * SHADE), (size[0], min(soft, size[1])))
    shade.paste(ramp, (0, 0))
    return shade


def _pill(size: tuple[int, int]) -> Image.Image:
    wide, high = size[0] * 4, size[1] * 4
    pill = Image.new("L", (wide, high))
    ImageDraw.Draw(pill).rounded_rectangle((0, 0, wide - 1, high - 1), high // 2, fill=round(255 * SHADE))
    return pill.reduce(4)


def _pixels(side: int, share: float) -> int:
    return max(6, round(side * share))
