"""Audit the locked packages with pip-audit. Offline it prints a note and succeeds."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
TIMEOUT_SECONDS = 120


def audit() -> list[dict[str, Any]]:
    """Return pip-audit's result per package; empty when no vulnerability database could be reached."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), *options]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False).stdout  # noqa: S603 # a fixed command
        return json.loads(output)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        return []


def main() -> int:
    """Print known vulnerabilities. Returns 1 if there are any."""
    audited = [package for package in audit() if "vulns" in package]
    if not audited:
        sys.stdout.write("Packages not audited: no vulnerability database can be reached\n")
    found = [
        f"{package['name']} {package['version']}: {each['id']}" for package in audited for each in package["vulns"]
    ]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
