"""The image, by buildah: built, described, and mounted."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAME = "localhost/scenewire-tested"
REMOTE_BASE = "debian:trixie-slim"
UNITS = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}


@dataclass(frozen=True)
class Image:
    """What an image says of itself, and its files, at `root`; `size` is in bytes."""

    root: Path
    size: float
    environment: Mapping[str, str]
    command: Sequence[str]
    health_check: Sequence[str]
    folder: str
    user: str
    labels: Mapping[str, str]


def require() -> None:
    """Exit with a sentence where the image cannot be built and run."""
    missing = [program for program in ("buildah", "unshare", "chroot") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        sys.exit(
            "image-test: the image was neither built nor run, because that needs root, buildah, unshare and chroot"
            f" (missing: {', '.join(missing) or 'root'})"
        )


def build() -> None:
    """Build the image from this work tree. Without a registry of images, its base is made from Debian's packages."""
    base = os.environ.get("BASE") or _base()
    environment = os.environ | {"BUILDER": "buildah", "IMAGE": NAME, "BASE": base}
    subprocess.run(["deploy/image/build"], cwd=ROOT, env=environment, check=True)


def _base() -> str:
    if subprocess.run(["buildah", "pull", "--quiet", REMOTE_BASE], capture_output=True, check=False).returncode == 0:
        return REMOTE_BASE
    sys.stdout.write(f"image-test: no registry has {REMOTE_BASE}; making the base from Debian's packages\n")
    made = subprocess.run(["deploy/image/base"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return made.stdout.strip()


@contextmanager
def mounted(name: str) -> Generator[Image]:
    """Mount a container of the image."""
    container = _output("from", "--pull-never", name)
    try:
        about = json.loads(_output("inspect", "--type", "image", name))["Docker"]["config"]
        yield _image(about, Path(_output("mount", container)), _size(name))
    finally:
        _output("rm", container)


def _image(about: Any, root: Path, size: float) -> Image:
    return Image(
        root,
        size,
        dict(line.split("=", 1) for line in about["Env"]),
        about["Cmd"],
        about["Healthcheck"]["Test"][1:],
        about["WorkingDir"],
        about["User"],
        about["Labels"],
    )


def _size(name: str) -> float:
    number, unit = json.loads(_output("images", "--json", name))[0]["size"].split()
    return float(number) * UNITS[unit.upper()]


def _output(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
