"""What the Dockerfile and the scripts that build the image promise; `make image-test` builds and runs it."""

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from providers.render.lettering.fonts import Fonts

ROOT = Path(__file__).parents[2]
LABELS = ("title", "description", "version", "revision", "created", "source", "licenses")
# What the scripts call, besides the programs that a test puts in place.
SYSTEM = ("sh", "dirname", "sed", "git", "date", "rm", "mkdir", "touch")


def stages() -> dict[str, str]:
    """Return the text of each stage of the Dockerfile by name; the last one is named `last`."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    parts = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    return {(part.split()[2] if part.split()[1] == "AS" else "last"): part for part in parts}


def programs(folder: Path, **scripts: str) -> str:
    """Return a PATH with the programs of the system that are called, and with these."""
    folder.mkdir()
    for name in SYSTEM:
        found = shutil.which(name)
        if found is None and name == "git":
            # An image of an exported tree is built without it.
            continue
        assert found is not None
        (folder / name).symlink_to(found)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def test_the_last_stage_has_labels_a_user_and_no_installer() -> None:
    """Its user is a number, as Kubernetes needs to know that it is not root."""
    last = stages()["last"]
    assert [name for name in LABELS if f"org.opencontainers.image.{name}=" not in last] == []
    (user,) = re.findall(r"^USER (\S+)$", last, re.MULTILINE)
    assert int(user) > 0
    assert re.search(r"\bpip\b.*install|python3-venv|python3-pip|nodejs", last) is None
    assert "libfribidi0" in last
    assert re.search(r"^USER .*^RUN .*captions\.py", last, re.MULTILINE | re.DOTALL)


def test_the_packages_of_node_are_installed_once_and_modules_are_compiled() -> None:
    """Only Node itself comes from the lock of the explorer; times of modules are not compared at run time."""
    installs = {name: re.findall(r"-r (\S+)", part) for name, part in stages().items() if "-r " in part}
    assert installs == {"pages": ["node.lock"], "build": ["requirements.lock"]}
    assert re.search(r"compileall .*--invalidation-mode unchecked-hash /venv/lib \.", stages()["build"])


def test_every_package_of_the_program_is_copied_and_reaches_the_builder() -> None:
    """A new package at the root is not forgotten."""
    copied = re.findall(r"^COPY (?!--from)(\S+) ", stages()["build"], re.MULTILINE)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["root_packages"]
    assert sorted(set(packages) - {Path(source).name for source in copied}) == []
    sent = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()}
    all_copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert [path for path in all_copied if not any(path == each or path.startswith(f"{each}/") for each in sent)] == []


def captions() -> ModuleType:
    """Load the script that the build runs."""
    spec = importlib.util.spec_from_file_location("captions", ROOT / "deploy/image/captions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Found:
    """Fonts that have one face for every text."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, _text: str) -> "Found":
        return self


class Shaped:
    """A font; when it joins letters, those of a word have other glyphs than the same letters alone."""

    joins = True

    def __init__(self, _content: bytes, _size: int) -> None:
        pass

    def shape(self, text: str, *, rtl: bool) -> SimpleNamespace:
        assert rtl
        form = len(text) if self.joins else 1
        return SimpleNamespace(glyphs=[SimpleNamespace(id=(letter, form)) for letter in reversed(text)])


class Unjoined(Shaped):
    """A font that joins no letters."""

    joins = False


def supported(_feature: str) -> bool:
    return True


def without_fribidi(feature: str) -> bool:
    return feature != "fribidi"


def test_the_build_fails_where_captions_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script has no font, Arabic letters are not joined, or Pillow finds no FriBidi."""
    script = captions()
    (tmp_path / "font").touch()
    fonts = Found(tmp_path / "font")
    monkeypatch.setattr(script.features, "check", supported)
    monkeypatch.setattr(script, "Font", Shaped)
    assert script.problems(fonts) == []
    assert set(script.problems(Fonts())) > {"No font has Arabic.", "No font has Chinese.", "No font has emoji."}
    monkeypatch.setattr(script, "Font", Unjoined)
    assert script.problems(fonts) == ["Arabic letters are not joined."]
    monkeypatch.setattr(script, "Font", Shaped)
    monkeypatch.setattr(script.features, "check", without_fribidi)
    assert script.problems(fonts) == ["Pillow finds no FriBidi."]


def build(path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script that builds the image."""
    return subprocess.run(
        [ROOT / "deploy/image/build"], env={"PATH": path, **variables}, capture_output=True, text=True, check=False
    )


def test_the_image_is_built_with_the_builder_that_works(tmp_path: Path) -> None:
    """A client of docker without a daemon does not count; variables become arguments of the build."""
    echo = 'echo "$0" "$@"'
    path = programs(tmp_path / "bin", docker='[ "$1" != info ]', buildah=echo)
    done = build(path, BASE="localhost/base", FONTS="all", FLAGS="--network=host --quiet")
    assert done.returncode == 0, done.stderr
    assert "/buildah build --isolation chroot " in done.stdout
    wanted = ("BASE=localhost/base", "FONTS=all", "--network=host --quiet .", "VERSION=", "REVISION=", "CREATED=")
    assert [text for text in wanted if text not in done.stdout] == []

    path = programs(tmp_path / "more", docker=echo, buildah=echo)
    assert "/docker build " in build(path).stdout
    assert "/buildah build " in build(path, BUILDER="buildah").stdout


def test_without_a_builder_a_sentence_says_what_is_missing(tmp_path: Path) -> None:
    """And nothing is built."""
    done = build(programs(tmp_path / "bin"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("make image: needs docker or podman that runs, or buildah")


@pytest.mark.parametrize("development", [True, False], ids=["development", "server"])
@pytest.mark.parametrize("interrupted", [True, False], ids=["interrupted", "fresh"])
def test_the_packages_of_the_pages_stay_for_development_only(
    tmp_path: Path, development: bool, interrupted: bool
) -> None:
    """They take 279 MB, and a server needs only what was built from them; also after an earlier try that was ended."""
    web = tmp_path / "web"
    web.mkdir()
    for name in ("build", "node-found"):
        shutil.copy(ROOT / "web" / name, web)
    (web / "package-lock.json").touch()
    if development:
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv" / ".dev").touch()
    if interrupted:
        (web / "node_modules").mkdir()
    npm = "case $1 in ci) mkdir -p node_modules ;; run) [ -d node_modules ] && mkdir dist ;; esac"
    path = programs(tmp_path / "bin", node="echo /node", npm=npm)
    subprocess.run([web / "build"], env={"PATH": path}, check=True)
    assert (web / "dist").is_dir()
    assert os.path.isdir(web / "node_modules") is development
