"""What a test reads from the log."""

import pytest


def warnings_in(log: pytest.LogCaptureFixture) -> list[str]:
    """The messages of level WARNING and above."""
    return [record.getMessage() for record in log.records if record.levelname not in ("INFO", "DEBUG")]
