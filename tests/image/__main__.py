"""Builds the image, runs it and checks it: `python -m tests.image`, minutes long. `--built NAME` takes a built one."""

import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer

from tests.image import buildah, checks
from tests.image.buildah import Image
from tests.image.checks import Check


def main(built: Annotated[str, typer.Option(help="An image that was built before.")] = "") -> None:
    """Run every check, and exit with 1 when one fails."""
    buildah.require()
    if not built:
        buildah.build()
    failed = 0
    with (
        tempfile.TemporaryDirectory(prefix="scenewire-image-") as folder,
        buildah.mounted(built or buildah.NAME) as image,
    ):
        for check in checks.ALL:
            data = Path(folder, check.__name__, "data")
            data.mkdir(parents=True)
            os.chown(data, int(image.user), int(image.user))
            failed += not _passes(check, image, data)
    typer.echo(f"{len(checks.ALL) - failed} passed, {failed} failed")
    sys.exit(min(failed, 1))


def _passes(check: Check, image: Image, data: Path) -> bool:
    try:
        measured = check(image, data)
    except Exception:
        typer.echo(f"FAILED  {check.__doc__}\n{traceback.format_exc()}")
        return False
    typer.echo(f"passed  {check.__doc__}" + (f" ({measured})" if measured else ""))
    return True


if __name__ == "__main__":
    typer.run(main)
