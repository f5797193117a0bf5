"""Files that orders are made from, as providers get them."""

from pathlib import Path

from PIL import Image

from providers.catalogue import InputRole
from providers.port import Failure


class PictureFile:
    """A picture in one colour; `reads` counts how often a provider asked for its path or its address."""

    content_type = "image/png"

    def __init__(self, folder: Path, role: InputRole, colour: str = "red", name: str | None = None) -> None:
        self.role = role
        self.name = name
        self.reads = 0
        self._path = folder / f"{role.value}-{colour}.png"
        Image.new("RGB", (96, 64), colour).save(self._path)
        self.size_bytes = self._path.stat().st_size

    async def path(self) -> Path:
        """Return the file."""
        self.reads += 1
        return self._path

    async def url(self) -> str | None:
        """Return None: the file cannot be fetched from outside."""
        return None


class MissingFile(PictureFile):
    """A picture that is gone."""

    async def path(self) -> Path:
        """Raise Failure."""
        raise Failure("INPUT_GONE", "The file of the input is gone.", retryable=False)
