"""The keys under which files are stored. The server makes all of them; no part comes from a client."""

import re
import uuid

LIVE_FRAMES = "live"
ASSETS = "assets"
# What is uploaded and not looked at yet: no client reads it.
UPLOADS = "uploads"
# A small file with which the store is probed.
PROBE = "probe"

_KEY = re.compile(
    rf"(?:job_[0-9a-z]{{26}}/scene_[0-9a-z]{{26}}|{LIVE_FRAMES})/take_[0-9a-z]{{26}}(?:\.[a-z0-9]+){{1,2}}"
    r"|job_[0-9a-z]{26}/cut_[0-9]{1,19}_[0-9a-f]{12}\.mp4"
    rf"|{ASSETS}/asset_[0-9a-z]{{26}}_[0-9a-f]{{12}}(?:\.[a-z0-9]+){{1,2}}"
)


def take_key(job_id: str, scene_id: str, take_id: str) -> str:
    """Return the key of a take's files, without suffix."""
    return f"{job_id}/{scene_id}/{take_id}"


def composition_key(job_id: str, composition_version: int) -> str:
    """Return a new key, without suffix, for a video joined from this version of the composition."""
    return f"{job_id}/cut_{composition_version}_{uuid.uuid4().hex[:12]}"


def asset_key(asset_id: str) -> str:
    """Return a new key, without suffix, for the files of an asset."""
    return f"{ASSETS}/{asset_id}_{uuid.uuid4().hex[:12]}"


def frame_key(take_key: str, at_seconds: float | None) -> str:
    """Return the key of a picture of a take's clip, at a time or (None) its last one, beside its other files."""
    place = "last" if at_seconds is None else f"at{round(at_seconds * 1000)}"
    return f"{take_key}.{place}.png"


def upload_folder(upload_id: str) -> str:
    """Return the key below which everything of an upload is."""
    return f"{UPLOADS}/{upload_id}/"


def uploaded_file_key(upload_id: str) -> str:
    """Return the key to which a client writes by an address that the bucket has signed."""
    return f"{upload_folder(upload_id)}file"


def upload_part_key(upload_id: str, name: str) -> str:
    """Return the key of a part that the server has received."""
    return f"{upload_folder(upload_id)}part_{name}"


def live_frame_key(take_id: str) -> str:
    """Return the key of the newest frame of a running render."""
    return f"{LIVE_FRAMES}/{take_id}.webp"


def is_live_frame(key: str) -> bool:
    """Whether the file under this key is a live frame, which is overwritten during the render."""
    return key.startswith(f"{LIVE_FRAMES}/")


def is_key(key: str) -> bool:
    """Whether the server could have made this key; any other never reaches the media store."""
    return _KEY.fullmatch(key) is not None
