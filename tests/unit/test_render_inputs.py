"""Pictures that the clips of the provider `local` are made from."""

import os
import re
import zlib
from contextlib import aclosing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from providers import local_order
from providers.catalogue import InputRole, Settings
from providers.clips.limits import MEMORY_BYTES
from providers.local import PROGRAM
from providers.local_model import Size
from providers.port import Failure
from providers.render import photograph
from providers.render.lettering.fonts import Fonts
from providers.render.picture import FADE_SECONDS, FRAMES_PER_SECOND, Picture
from tests.support.input_files import PictureFile
from tests.support.orders import a_long_order, an_order, made, small_local
from tests.support.os_processes import children_of, command_line, on_linux

RED, BLUE = (255, 0, 0), (0, 0, 255)
FIRST, LAST, REFERENCE = InputRole.FIRST_FRAME, InputRole.LAST_FRAME, InputRole.REFERENCE
FADE = round(FADE_SECONDS * FRAMES_PER_SECOND)


async def picture(folder: Path, *files: PictureFile, caption: bool = True) -> Picture:
    settings = Settings(seed=3, options={"caption": caption})
    order = an_order(folder, duration_seconds=2.0, inputs=files, settings=settings)
    return Picture(await local_order.ticket(order, Size(320, 180)), Fonts())


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {cast("tuple[int, ...]", colour) for _, colour in image.getcolors(1 << 20) or ()}


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def memory_limit(pid: int) -> str:
    """Return the limit of a process, in bytes."""
    (limit,) = re.findall(r"^Max address space +(\w+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    return limit


async def test_clip_moves_from_its_first_picture_to_its_last(tmp_path: Path) -> None:
    """Both are shown as they are, without a caption; in between they are mixed, under the caption."""
    between = await picture(tmp_path, PictureFile(tmp_path, FIRST, "red"), PictureFile(tmp_path, LAST, "blue"))
    assert colours(between.draw(0)) == {RED}
    assert colours(between.draw(between.frames - 1)) == {BLUE}
    reds = [cast("tuple[int, int, int]", between.draw(frame).getpixel((160, 60)))[0] for frame in range(between.frames)]
    assert reds == sorted(reds, reverse=True)
    assert len(colours(between.draw(between.frames // 2))) > 2


async def test_clip_begins_with_its_first_picture_and_moves_closer(tmp_path: Path) -> None:
    """No frame is like another, although the picture does not move itself."""
    file = PictureFile(tmp_path, FIRST)
    Image.effect_noise((96, 64), 90).save(await file.path())
    closer = await picture(tmp_path, file, caption=False)
    frames = [closer.draw(frame).tobytes() for frame in range(closer.frames)]
    assert len(set(frames)) == closer.frames


async def test_clip_ends_with_its_last_picture(tmp_path: Path) -> None:
    """It begins with the landscape of its seed."""
    file = PictureFile(tmp_path, LAST, "blue")
    ending, plain = await picture(tmp_path, file, caption=False), await picture(tmp_path, caption=False)
    assert ending.draw(0).tobytes() == plain.draw(0).tobytes()
    assert colours(ending.draw(ending.frames - 1)) == {BLUE}
    captioned = await picture(tmp_path, file)
    assert colours(captioned.draw(captioned.frames - 1)) == {BLUE}
    assert len(colours(captioned.draw(captioned.frames - 1 - FADE // 2))) > 2


async def test_reference_pictures_are_shown_small_in_their_order(tmp_path: Path) -> None:
    """Side by side in the upper left corner, in each frame."""
    files = [PictureFile(tmp_path, REFERENCE, colour) for colour in ("red", "blue")]
    shown = await picture(tmp_path, *files)
    for frame in (0, shown.frames - 1):
        row = [shown.draw(frame).getpixel((x, 32)) for x in range(160)]
        assert row.index(RED) < row.index(BLUE)
        assert 20 <= row.count(RED) == row.count(BLUE) <= 40


def test_pictures_are_read_as_they_are_displayed(tmp_path: Path) -> None:
    """Upright, in RGB whatever their mode, on black where they are transparent; the first one of an animation."""
    turned = Image.Exif()
    turned[0x0112] = 6
    halves = Image.new("RGB", (40, 20), "red")
    halves.paste("blue", (20, 0, 40, 20))
    kinds = {
        "turned": saved(halves, "JPEG", exif=turned, quality=95),
        "clear": saved(Image.new("RGBA", (20, 40), (255, 0, 0, 0)), "PNG"),
        "palette": saved(Image.new("RGB", (20, 40), "red").quantize(4), "GIF"),
        "ink": saved(Image.new("CMYK", (20, 40), (0, 255, 255, 0)), "JPEG"),
        "grey": saved(Image.new("L", (20, 40), 255), "WEBP", lossless=True),
    }
    found: dict[str, tuple[int, int, int]] = {}
    for name, content in kinds.items():
        (tmp_path / name).write_bytes(content)
        image = photograph.read(tmp_path / name, name)
        assert (image.mode, image.size) == ("RGB", (20, 40))
        red, green, blue = cast("tuple[int, int, int]", image.getpixel((10, 5)))
        found[name] = (round(red / 255), round(green / 255), round(blue / 255))
    assert found == {
        "turned": (1, 0, 0),
        "clear": (0, 0, 0),
        "palette": (1, 0, 0),
        "ink": (1, 0, 0),
        "grey": (1, 1, 1),
    }


def _announcing(width: int, height: int) -> bytes:
    """Return a PNG file that announces a size and has hardly any content: a bomb of pixels."""
    plain = saved(Image.new("RGB", (1, 1)), "PNG")
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + plain[24:29]
    return plain[:12] + header + zlib.crc32(header).to_bytes(4) + plain[33:]


BROKEN = {
    "empty": b"",
    "text": b"no picture at all",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "cut": saved(Image.effect_noise((64, 64), 90), "PNG")[:900],
    "cut-jpeg": saved(Image.effect_noise((64, 64), 90), "JPEG")[:700],
    "other-format": saved(Image.new("RGB", (8, 8)), "BMP"),
    "large": _announcing(8192, 4321),
    "huge": _announcing(60_000, 60_000),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("kind", BROKEN)
def test_file_that_is_no_picture_is_a_failure_that_names_the_input(tmp_path: Path, kind: str) -> None:
    """Found out before the pixels of a bomb take any memory; another attempt would not help."""
    (tmp_path / "file").write_bytes(BROKEN[kind])
    with pytest.raises(Failure) as caught:
        photograph.read(tmp_path / "file", "inputs.3")
    assert (caught.value.code, caught.value.retryable) == ("INVALID_INPUT", False)
    expected = "has 8192x4321 pixels, more than 35389440" if kind == "large" else "cannot be read as a picture"
    assert caught.value.message == f"The file of inputs.3 {expected}."


@on_linux
async def test_process_that_reads_pictures_has_a_limit_of_memory(tmp_path: Path) -> None:
    """They may be hostile."""
    limits: set[str] = set()
    order = replace(a_long_order(tmp_path), inputs=(PictureFile(tmp_path, FIRST),))
    async with aclosing(small_local().follow(order, "local-x")) as steps:
        await anext(steps)
        for pid in children_of(os.getpid()):
            if PROGRAM[-1].encode() in command_line(pid):
                limits |= {memory_limit(pid)}
    assert limits == {str(MEMORY_BYTES)}


async def test_broken_picture_fails_the_order(tmp_path: Path) -> None:
    """The rendering process finds it, and says so."""
    good, broken = PictureFile(tmp_path, FIRST), PictureFile(tmp_path, REFERENCE)
    (await broken.path()).write_bytes(BROKEN["cut"])
    with pytest.raises(Failure) as caught:
        await made(small_local(), an_order(tmp_path, inputs=(good, broken)))
    assert (caught.value.code, caught.value.retryable) == ("INVALID_INPUT", False)
    assert caught.value.message == "The file of inputs.1 cannot be read as a picture."


async def test_picture_that_vanished_is_no_fault_of_the_picture(tmp_path: Path) -> None:
    """Another attempt may find it."""
    file = PictureFile(tmp_path, FIRST)
    (await file.path()).unlink()
    with pytest.raises(Failure) as caught:
        await made(small_local(), an_order(tmp_path, inputs=(file,)))
    assert (caught.value.code, caught.value.retryable) == ("RENDER_CRASHED", True)
