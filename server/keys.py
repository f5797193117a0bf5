"""Keys derived from the server's secret, a different one for each purpose."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from server.configuration.setting_types import SECRET_BYTES
from server.settings import ROOT, Settings

KEY_FILE = ROOT / "var" / "secret.key"


def derived(settings: Settings, purpose: str, key_file: Path = KEY_FILE) -> bytes:
    """Return the key of 32 bytes for a purpose, by HKDF (RFC 5869) from SECRET_KEY or else AUTH_SECRET.

    When neither is set, in development, the secret is a file that the first caller creates. Processes on several
    machines do not share that file, so production needs one of the two.
    """
    return _hkdf(_from_settings(settings) or _from_file(key_file), f"scenewire {purpose}".encode())


def material(settings: Settings, key_file: Path = KEY_FILE) -> bytes | None:
    """Return the secret that keys are derived from; None when there is none yet."""
    return _from_settings(settings) or (key_file.read_bytes() if key_file.exists() else None)


def _from_settings(settings: Settings) -> bytes:
    return (settings.secret_key.get_secret_value() or settings.auth_secret.get_secret_value()).encode()


def _hkdf(material: bytes, info: bytes) -> bytes:
    """Return a key by HKDF (RFC 5869, sections 2.2 and 2.3) with SHA-256, no salt, and one block of output.

    A process in development needs nothing else of a cryptographic library, whose import takes 10 MB.
    """
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), material, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


def _from_file(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
        try:
            # Unlike a rename, a link does not replace the file of another process that was faster.
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_bytes()
