"""The media store without a server: what housekeeping deletes, and a folder that is missing."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from coordinator.storage.keys import LIVE_FRAMES
from coordinator.storage.media import MediaStore
from models.db.clock import now
from models.domain.errors import Unavailable

FRAME = f"{LIVE_FRAMES}/take_1.webp"


@pytest.fixture(params=["folder", "memory:///"])
def media(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    """A store in a folder, and one in a bucket."""
    return MediaStore(str(tmp_path / "media") if request.param == "folder" else request.param)


async def test_sweep_deletes_the_frames_last_written_before(media: MediaStore) -> None:
    """Newer ones stay, and so do other files of the same age."""
    await media.put(FRAME, b"frame")
    await media.put("clip.mp4", b"clip")
    assert await media.sweep_frames(now() - timedelta(hours=1)) == 0
    assert await media.head(FRAME) is not None
    assert await media.sweep_frames(now() + timedelta(hours=1)) == 1
    assert await media.head(FRAME) is None
    assert await media.head("clip.mp4") is not None


async def test_sweep_of_a_store_without_frames_deletes_nothing(media: MediaStore) -> None:
    """As at the first start."""
    assert await media.sweep_frames(now()) == 0


async def test_folder_that_is_missing_at_its_first_use_is_unavailable(tmp_path: Path) -> None:
    """Such as a volume that is not mounted: its files are not gone. It is used again when it is back."""
    media = MediaStore(str(tmp_path / "media"))
    shutil.rmtree(tmp_path / "media")
    with pytest.raises(Unavailable):
        await media.head("clip.mp4")
    (tmp_path / "media").mkdir()
    assert await media.head("clip.mp4") is None
