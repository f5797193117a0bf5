"""The secret of the deployment, from which its keys are derived: webhooks are encrypted with one of them."""

from pathlib import Path

from coordinator.storage.media_folder import flush_folder
from server import keys
from server.backup.files import FileSum, written
from server.backup.manifest import SECRET, BackupError
from server.settings import PREFIX, Settings

_MODE = 0o600


def back_up(settings: Settings, folder: Path, key_file: Path = keys.KEY_FILE) -> dict[str, FileSum]:
    """Write the secret into the folder, unless the deployment has none yet; only its owner may read the file."""
    material = keys.material(settings, key_file)
    return {} if material is None else {SECRET: written(folder / SECRET, material, _MODE)}


def check(settings: Settings, folder: Path, key_file: Path = keys.KEY_FILE) -> None:
    """Raise BackupError when this deployment has another secret than the backup: it could not read its webhooks."""
    expected, present = _saved(folder), keys.material(settings, key_file)
    if expected is not None and present is not None and present != expected:
        by_setting = bool(settings.secret_key.get_secret_value() or settings.auth_secret.get_secret_value())
        there = f"{PREFIX}SECRET_KEY or {PREFIX}AUTH_SECRET" if by_setting else str(key_file)
        raise BackupError(f"{there} is not the secret of the backup, which is in {folder / SECRET}")


def restore(settings: Settings, folder: Path, key_file: Path = keys.KEY_FILE) -> None:
    """Put the secret in its file, where neither a setting nor that file has it."""
    expected = _saved(folder)
    if expected is not None and keys.material(settings, key_file) is None:
        key_file.parent.mkdir(parents=True, exist_ok=True)
        # A restore that is killed must not leave half a secret, from which servers would derive keys.
        temporary = key_file.with_name(f"{key_file.name}.restoring")
        temporary.unlink(missing_ok=True)
        written(temporary, expected, _MODE)
        temporary.replace(key_file)
        flush_folder(key_file.parent)


def _saved(folder: Path) -> bytes | None:
    path = folder / SECRET
    return path.read_bytes() if path.exists() else None
