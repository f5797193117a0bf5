"""The keys under which files are stored. The server makes all of them; no part comes from a client."""

import re
import uuid

LIVE_FRAMES = "live"
# A small file with which the store is probed.
PROBE = "probe"

_KEY = re.compile(
    rf"(?:job_[0-9a-z]{{26}}/scene_[0-9a-z]{{26}}|{LIVE_FRAMES})/take_[0-9a-z]{{26}}(?:\.[a-z0-9]+){{1,2}}"
    r"|job_[0-9a-z]{26}/cut_[0-9]{1,19}_[0-9a-f]{12}\.mp4"
)


def take_key(job_id: str, scene_id: str, take_id: str) -> str:
    """Return the key of a take's files, without suffix."""
    return f"{job_id}/{scene_id}/{take_id}"


def composition_key(job_id: str, composition_version: int) -> str:
    """Return a new key, without suffix, for a video joined from this version of the composition."""
    return f"{job_id}/cut_{composition_version}_{uuid.uuid4().hex[:12]}"


def live_frame_key(take_id: str) -> str:
    """Return the key of the newest frame of a running render."""
    return f"{LIVE_FRAMES}/{take_id}.webp"


def is_live_frame(key: str) -> bool:
    """Whether the file under this key is a live frame, which is overwritten during the render."""
    return key.startswith(f"{LIVE_FRAMES}/")


def is_key(key: str) -> bool:
    """Whether the server could have made this key; any other never reaches the media store."""
    return _KEY.fullmatch(key) is not None
