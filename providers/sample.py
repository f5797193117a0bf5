"""A tiny clip with its poster and preview, encoded once per process."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from providers.inspection import look
from providers.port import Asset, Rendered
from providers.render import stills
from providers.render.clip import Clip

WIDTH, HEIGHT, FRAMES_PER_SECOND, FRAMES = 64, 36, 24, 24


@dataclass(frozen=True, slots=True)
class Sample:
    """The contents of the files, and a live frame."""

    clip: bytes
    poster: bytes
    preview: bytes
    frame: bytes
    preview_seconds: float
    checked: bool

    def write(self, folder: Path) -> Rendered:
        """Write the files into a folder."""
        files = {"clip.mp4": self.clip, "poster.webp": self.poster, "preview.webp": self.preview}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return Rendered(
            Asset(folder / "clip.mp4", "video/mp4", WIDTH, HEIGHT, FRAMES / FRAMES_PER_SECOND),
            Asset(folder / "poster.webp", stills.CONTENT_TYPE, WIDTH, HEIGHT),
            Asset(folder / "preview.webp", stills.CONTENT_TYPE, WIDTH, HEIGHT, self.preview_seconds),
            checked=self.checked,
            repeatable=True,
        )


@cache
def sample() -> Sample:
    """Encode the sample: one second of a plain image whose hue changes."""
    images = [Image.new("HSV", (WIDTH, HEIGHT), (10 * i, 160, 190)).convert("RGB") for i in range(FRAMES)]
    shown = [images[place] for place in sorted(stills.preview_places(FRAMES))]
    with TemporaryDirectory() as folder:
        path = Path(folder, "clip.mp4")
        with Clip(path, WIDTH, HEIGHT, FRAMES_PER_SECOND) as clip:
            for image in images:
                clip.write(image)
        return Sample(
            clip=path.read_bytes(),
            poster=stills.poster(images[0]).content,
            preview=stills.preview(shown).content,
            frame=stills.frame(images[0]),
            preview_seconds=len(shown) * stills.PREVIEW_SECONDS_PER_FRAME,
            checked=look.passes(path, FRAMES / FRAMES_PER_SECOND),
        )
