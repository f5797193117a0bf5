"""Why a clip cannot be shown."""

UNREADABLE = "CLIP_UNREADABLE"
WITHOUT_PICTURE = "CLIP_WITHOUT_PICTURE"
TRUNCATED = "CLIP_TRUNCATED"
TOO_LONG = "CLIP_TOO_LONG"
TOO_LARGE = "CLIP_TOO_LARGE"


class BadClip(Exception):
    """A clip that cannot be shown; `reason` completes the sentence "The clip …"."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: the clip {reason}")
        self.code = code
        self.reason = reason
