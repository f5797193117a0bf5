"""The server's own keys: all derived from one secret, a different one for each purpose."""

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server.setting_types import SECRET_BYTES
from server.settings import ROOT, Settings

KEY_FILE = ROOT / "var" / "secret.key"
KEY_BYTES = 32


def derived(settings: Settings, purpose: str, key_file: Path = KEY_FILE) -> bytes:
    """The key of 32 bytes for a purpose, by HKDF (RFC 5869) from SECRET_KEY or else AUTH_SECRET.

    Where neither is set, as on a laptop, the secret is a file that the first who asks makes; processes on several
    machines share none, so production wants one of the two set.
    """
    secret = settings.secret_key.get_secret_value() or settings.auth_secret.get_secret_value()
    material = secret.encode() if secret else _from_file(key_file)
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"scenewire {purpose}".encode()).derive(material)


def _from_file(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as writing:
            writing.write(secrets.token_bytes(SECRET_BYTES))
        try:
            # Unlike a rename this fails where another process was faster, whose secret then counts.
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_bytes()
