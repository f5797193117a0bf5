"""The caption: title and prompt at the foot of the picture, take or seed in the corner, on a dark shade."""

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from providers.render.lettering import layout
from providers.render.lettering.fonts import Fonts
from providers.render.overlay import Overlay
from providers.render.pixels import mapped, resized
from providers.render.wire import Ticket

WHITE = (255, 255, 255)
SOFT_WHITE = (226, 230, 238)
BLACK = (0, 0, 0)
# The caption's sizes as shares of the frame's shorter side.
TITLE, PROMPT, TAKE, MARGIN = 0.066, 0.038, 0.026, 0.06
# This share of black under white text gives a contrast of at least 4.5:1 on the brightest picture (WCAG 2.2, 1.4.3).
SHADE = 0.62
# Over given pictures, which may be frames of clips with a caption of their own.
DEEP_SHADE = 0.9


def caption(ticket: Ticket, fonts: Fonts, frame: tuple[int, int]) -> list[Overlay]:
    """Lay out the text of every frame of the clip, whose size is in pixels."""
    return [*_foot(ticket, fonts, frame), *_corner(ticket, fonts, frame)]


def _foot(ticket: Ticket, fonts: Fonts, frame: tuple[int, int]) -> list[Overlay]:
    side = min(frame)
    margin = _pixels(side, MARGIN)
    width = frame[0] - 2 * margin
    title = layout.block(ticket.title or "", fonts, size=_pixels(side, TITLE), width=width, most_lines=2, bold=True)
    size = _pixels(side, PROMPT)
    room = round(frame[1] * 0.36) - title.height
    prompt = layout.block(
        ticket.prompt, fonts, size=size, width=width, most_lines=max(1, int(room / size / layout.LINE_HEIGHT))
    )
    if not title.lines and not prompt.lines:
        return []
    gap = round(size * 0.4) if title.lines and prompt.lines else 0
    words = title.height + gap + prompt.height
    soft = 2 * margin
    layer = Image.new("RGBA", (frame[0], min(frame[1], soft + words + margin)))
    top = layer.height - margin - words
    title.draw(layer, (margin, top), width, WHITE)
    prompt.draw(layer, (margin, top + title.height + gap), width, SOFT_WHITE)
    shade = DEEP_SHADE if ticket.shows_pictures else SHADE
    return [_overlay(layer, _shade(layer.size, soft, shade), (0, frame[1] - layer.height), size)]


def _corner(ticket: Ticket, fonts: Fonts, frame: tuple[int, int]) -> list[Overlay]:
    side = min(frame)
    size, margin = _pixels(side, TAKE), _pixels(side, MARGIN)
    take = layout.block(ticket.label, fonts, size=size, width=frame[0] - 2 * margin, most_lines=1)
    width = round(take.lines[0].width)
    layer = Image.new("RGBA", (width + 2 * size, round(size * 2)))
    take.draw(layer, (size, round(size * 0.36)), width, WHITE)
    place = (frame[0] - margin - layer.width, margin)
    return [_overlay(layer, _pill(layer.size), place, size)]


def _overlay(words: Image.Image, shade: Image.Image, at: tuple[int, int], size: int) -> Overlay:
    """Put the text on the shade, with a soft shadow."""
    shadow = words.getchannel("A").filter(ImageFilter.GaussianBlur(max(1, size / 7)))
    ground = Image.new("RGBA", words.size, (*BLACK, 0))
    ground.putalpha(ImageChops.lighter(shade, shadow))
    ground.alpha_composite(words)
    return Overlay(ground.convert("RGB"), ground.getchannel("A"), at)


def _shade(size: tuple[int, int], soft: int, full: float) -> Image.Image:
    """Darken towards the foot: from nothing at the top to the full shade (0..1) `soft` pixels below."""
    shade = Image.new("L", size, round(255 * full))
    ramp = resized(mapped(Image.linear_gradient("L"), lambda v: v * full), (size[0], min(soft, size[1])))
    shade.paste(ramp, (0, 0))
    return shade


def _pill(size: tuple[int, int]) -> Image.Image:
    wide, high = size[0] * 4, size[1] * 4
    pill = Image.new("L", (wide, high))
    ImageDraw.Draw(pill).rounded_rectangle((0, 0, wide - 1, high - 1), high // 2, fill=round(255 * SHADE))
    return pill.reduce(4)


def _pixels(side: int, share: float) -> int:
    return max(6, round(side * share))
