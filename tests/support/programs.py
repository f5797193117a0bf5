"""Programs of the system that tests need: nginx and PgBouncer in front of the server, curl and jq."""

import os
import shutil

import pytest

# Debian keeps servers where only root looks for programs.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"


def program(name: str) -> str:
    """Return the path of a program. Skip the test without it, or fail it if SCENEWIRE_REQUIRE_PROXIES is 1."""
    found = shutil.which(name, path=PATH)
    if found is not None:
        return found
    if os.environ.get("SCENEWIRE_REQUIRE_PROXIES") == "1":
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed")
