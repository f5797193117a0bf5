"""A picture with a mask that is pasted on frames."""

from dataclasses import dataclass

from PIL import Image

from providers.render.pixels import mapped


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture with a mask, pasted on each frame at one place."""

    fill: Image.Image
    mask: Image.Image
    at: tuple[int, int]

    def over(self, image: Image.Image, strength: float = 1.0) -> None:
        """Paste it on a frame; a strength below 1 lets more of the frame through, 0 shows nothing."""
        if strength <= 0:
            return
        mask = self.mask if strength >= 1 else mapped(self.mask, lambda value: strength * value)
        image.paste(self.fill, self.at, mask)
