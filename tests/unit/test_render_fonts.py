"""Font files are ranked, read once and never trusted."""

import json
from pathlib import Path

import pytest

from providers.render import coverage, faces
from providers.render.coverage import Coverage, Memory
from providers.render.fonts import Fonts, installed


@pytest.fixture
def font_file(tmp_path: Path) -> Path:
    path = tmp_path / "Plain-Regular.ttf"
    path.write_bytes(faces.embedded())
    return path


def test_coverage_is_what_the_font_has() -> None:
    """Ranges hold the characters of the font's own table and no others."""
    face = Fonts().base
    assert face.covers("AZaz09~…")
    assert not any(face.covers(c) for c in ("\x1f", "é", "北", "\uffff", "\U0010ffff"))


@pytest.mark.parametrize("junk", [b"", b"not a font", b"\0\1\0\0" + b"\xff" * 400])
def test_a_broken_font_covers_nothing(junk: bytes) -> None:
    """One bad file among hundreds does not stop a render."""
    assert coverage.read(junk) == Coverage()


def test_a_font_cut_short_covers_nothing_or_still_opens() -> None:
    """Wherever the damage begins, reading does not fail."""
    whole = faces.embedded()
    for end in range(0, len(whole), len(whole) // 40):
        assert coverage.read(whole[:end]).ranges in ((), coverage.read(whole).ranges)


def read_again(font_file: bytes) -> Coverage:
    raise AssertionError(f"{len(font_file)} bytes were read again")


def test_a_font_is_read_once(font_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process takes the coverage from the memory."""
    memory = tmp_path / "cache" / "fonts.json"
    fonts = Fonts([font_file], memory)
    assert fonts.find("A") is not None
    fonts.save()
    monkeypatch.setattr(coverage, "read", read_again)
    assert Memory(memory).of(font_file).ranges


def test_a_font_that_changed_is_read_again(font_file: Path, tmp_path: Path) -> None:
    """An update of the system's fonts shows."""
    path = tmp_path / "fonts.json"
    memory = Memory(path)
    assert memory.of(font_file) != Coverage()
    memory.save()
    font_file.write_bytes(b"no font any more")
    assert Memory(path).of(font_file) == Coverage()


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}", b"\xff", b'{"version": 0, "fonts": {}}', b'"x"'])
def test_a_damaged_memory_is_forgotten(font_file: Path, tmp_path: Path, kept: bytes) -> None:
    """Whatever lies in the cache, fonts are found."""
    path = tmp_path / "fonts.json"
    path.write_bytes(kept)
    memory = Memory(path)
    assert memory.of(font_file).ranges
    memory.save()
    assert json.loads(path.read_bytes())["fonts"]


def test_a_cache_that_cannot_be_written_is_no_error(font_file: Path, tmp_path: Path) -> None:
    """A container with a read-only home renders all the same."""
    blocker = tmp_path / "file"
    blocker.touch()
    memory = Memory(blocker / "fonts.json")
    assert memory.of(font_file).ranges
    memory.save()


def test_a_vanished_font_covers_nothing(tmp_path: Path) -> None:
    """A font removed since the folders were listed is passed over."""
    assert Memory(None).of(tmp_path / "gone.ttf") == Coverage()


@pytest.mark.parametrize(
    ("bold", "wanted"), [(False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf")], ids=["plain", "bold"]
)
def test_a_plain_face_comes_before_odd_ones(tmp_path: Path, bold: bool, wanted: str) -> None:
    """Upright sans faces of the asked weight are preferred; known families come first."""
    names = ["AAA.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans.ttf"]
    for name in [*names, "DejaVuSerif.ttf", "LastResort.ttf"]:
        (tmp_path / name).write_bytes(faces.embedded())
    face = Fonts(tmp_path.iterdir()).find("A", bold=bold)
    assert face is not None
    assert face.path == tmp_path / wanted


def test_fonts_are_looked_for_in_the_users_folder(
    font_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A font that a user drops into the standard place is used (XDG Base Directory)."""
    folder = tmp_path / "data" / "fonts" / "mine"
    folder.mkdir(parents=True)
    font_file.rename(folder / "NotoSans-Regular.ttf")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    face = installed().find("A")
    assert face is not None
    assert face.path == folder / "NotoSans-Regular.ttf"
