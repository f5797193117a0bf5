"""docs/backup.md and docs/upgrades.md: their commands do what the pages say."""

import os
import re
import shlex
import subprocess
import time
from pathlib import Path

from models import migrations
from tests.support.command_line import Ran, invoke
from tests.support.previous_release import revision
from tests.support.server_process import ROOT

PROGRAM = "python -m server "


def commands(page: str, folder: Path) -> list[str]:
    """Return the lines of the shell blocks of a page, with the folders of a server in this one."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    assert len(text.splitlines()) < 80
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [line.strip().replace("/var/", f"{folder}/") for block in blocks for line in block.splitlines()]


class Shell:
    """Runs commands in order: those of the program inside this process."""

    def __init__(self, folder: Path) -> None:
        self.settings: dict[str, str] = {
            "database_url": f"sqlite+aiosqlite:///{folder / 'a.db'}",
            "media_url": str(folder / "media"),
            "secret_key": "the secret of a deployment, as long as it must be",
        }
        self._variables: dict[str, str] = {}

    def run(self, command: str) -> Ran | None:
        """Run a command; return what one of the program printed."""
        for name, value in self._variables.items():
            command = command.replace(f"${name}", value)
        if command.startswith(PROGRAM):
            ran = invoke(*shlex.split(command.removeprefix(PROGRAM)), **self.settings)
            assert (ran.status, ran.err) == (0, ""), command
            return ran
        name, assigns, value = command.removeprefix("export ").partition("=")
        if assigns and name.isupper():
            self._variables[name] = value
            if name.startswith("SCENEWIRE_"):
                self.settings[name.removeprefix("SCENEWIRE_").lower()] = value
            return None
        subprocess.run(["bash", "-c", command], check=True)
        return None


def test_commands_of_the_page_of_backups(tmp_path: Path) -> None:
    """Two backups are made, old ones are deleted, and the first one is restored into another database."""
    shell = Shell(tmp_path)
    assert invoke("migrate", **shell.settings).status == 0
    old = tmp_path / "backups" / "scenewire" / "fortnight-ago"
    old.mkdir(parents=True)
    long_ago = time.time() - 20 * 86_400
    os.utime(old, (long_ago, long_ago))
    printed = [ran.out for command in commands("backup.md", tmp_path) if (ran := shell.run(command))]
    assert [line.split(" ")[0] for line in printed] == ["Backed", "Backed", "Restored"]
    assert sorted(path.name for path in old.parent.iterdir()) == ["monday", "tuesday"]
    assert Path(shell.settings["database_url"].partition("///")[2]) == tmp_path / "lib" / "scenewire" / "restored.db"
    assert (tmp_path / "lib" / "scenewire" / "restored.db").is_file()


def test_commands_of_the_page_of_upgrades(tmp_path: Path) -> None:
    """The database is migrated, and back to the revision of the last release."""
    shell = Shell(tmp_path)
    printed = [ran.out for command in commands("upgrades.md", tmp_path) if (ran := shell.run(command))]
    assert printed == [f"Migrated to revision {each}.\n" for each in (migrations.newest(), revision())]
