"""Audit the locked packages by name; say so where no database of known vulnerabilities can be reached."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "requirements.lock"
PATIENCE_SECONDS = 120


def audited() -> list[dict[str, Any]]:
    """What is known of each package; nothing where nothing could be asked."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), *options]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False).stdout  # noqa: S603 # ours
        return json.loads(told)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        return []


def main() -> int:
    """Answer 1 when a package has a known vulnerability."""
    known = [package for package in audited() if "vulns" in package]
    if not known:
        sys.stdout.write("Packages not audited: no database of known vulnerabilities can be reached\n")
    found = [f"{package['name']} {package['version']}: {each['id']}" for package in known for each in package["vulns"]]
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
