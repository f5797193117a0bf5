"""Font files are ranked, read once and cached; broken ones are ignored."""

import json
from pathlib import Path

import pytest

from providers.render.lettering import coverage, faces
from providers.render.lettering.coverage import Cache, Coverage
from providers.render.lettering.fonts import Fonts, installed


@pytest.fixture
def font_file(tmp_path: Path) -> Path:
    path = tmp_path / "Plain-Regular.ttf"
    path.write_bytes(faces.embedded())
    return path


def test_font_covers_the_characters_of_its_table() -> None:
    """And no others."""
    face = Fonts().base
    assert face.covers("AZaz09~…")
    assert not any(face.covers(c) for c in ("\x1f", "é", "北", "\uffff", "\U0010ffff"))


@pytest.mark.parametrize("junk", [b"", b"not a font", b"\0\1\0\0" + b"\xff" * 400])
def test_broken_font_covers_nothing(junk: bytes) -> None:
    """One broken file among hundreds does not stop a render."""
    assert coverage.read(junk) == Coverage()


def test_truncated_font_covers_nothing() -> None:
    """Wherever it is truncated."""
    whole = faces.embedded()
    for end in range(0, len(whole), len(whole) // 40):
        assert coverage.read(whole[:end]) == Coverage()


def read_again(font_file: bytes) -> Coverage:
    raise AssertionError(f"{len(font_file)} bytes were read again")


def test_font_is_read_once(font_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process uses the cache."""
    cache = tmp_path / "cache" / "fonts.json"
    fonts = Fonts([font_file], cache)
    assert fonts.find("A") is not None
    fonts.save()
    monkeypatch.setattr(coverage, "read", read_again)
    assert Cache(cache).of(font_file).ranges


def test_changed_font_is_read_again(font_file: Path, tmp_path: Path) -> None:
    """After an update of the system's fonts."""
    path = tmp_path / "fonts.json"
    cache = Cache(path)
    assert cache.of(font_file) != Coverage()
    cache.save()
    font_file.write_bytes(b"no longer a font")
    assert Cache(path).of(font_file) == Coverage()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"version": 0, "fonts": {}}', b'"x"'])
def test_font_cache_that_is_damaged_is_ignored(font_file: Path, tmp_path: Path, content: bytes) -> None:
    """It is replaced by a valid one."""
    path = tmp_path / "fonts.json"
    path.write_bytes(content)
    cache = Cache(path)
    assert cache.of(font_file).ranges
    cache.save()
    assert json.loads(path.read_bytes())["fonts"]


def test_font_cache_that_cannot_be_written_is_no_error(font_file: Path, tmp_path: Path) -> None:
    """A container with a read-only home can render."""
    blocker = tmp_path / "file"
    blocker.touch()
    cache = Cache(blocker / "fonts.json")
    assert cache.of(font_file).ranges
    cache.save()


def test_font_that_was_removed_covers_nothing(tmp_path: Path) -> None:
    """Since the folders were listed."""
    assert Cache(None).of(tmp_path / "gone.ttf") == Coverage()


@pytest.mark.parametrize(
    ("bold", "expected"), [(False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf")], ids=["plain", "bold"]
)
def test_font_of_plain_style_is_preferred(tmp_path: Path, bold: bool, expected: str) -> None:
    """Upright sans faces of the requested weight; known families come first."""
    names = ["AAA.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf", "DejaVuSans.ttf"]
    for name in [*names, "DejaVuSerif.ttf", "LastResort.ttf"]:
        (tmp_path / name).write_bytes(faces.embedded())
    face = Fonts(tmp_path.iterdir()).find("A", bold=bold)
    assert face is not None
    assert face.path == tmp_path / expected


def test_font_in_the_users_folder_is_found(font_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is that of the XDG Base Directory specification."""
    folder = tmp_path / "data" / "fonts" / "mine"
    folder.mkdir(parents=True)
    font_file.rename(folder / "NotoSans-Regular.ttf")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    face = installed().find("A")
    assert face is not None
    assert face.path == folder / "NotoSans-Regular.ttf"
