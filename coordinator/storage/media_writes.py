"""Failed writes of the media store: reported at once, and remembered until a write succeeds."""

import logging
from collections.abc import Generator
from contextlib import contextmanager

from coordinator.storage.media_errors import reason_of

log = logging.getLogger(__name__)


class MediaWrites:
    """Records whether the last write succeeded."""

    def __init__(self) -> None:
        # The size of the largest file that could not be written since the last success; None after a success.
        self.failed_bytes: int | None = None

    @contextmanager
    def attempt(self, size: int) -> Generator[None]:
        """A block that writes `size` bytes. The first error is logged, and the first success after errors."""
        try:
            yield
        except Exception as error:
            if self.failed_bytes is None:
                log.warning("media cannot be stored: %s", reason_of(error), extra={"action": "media.not_stored"})
            self.failed_bytes = max(size, self.failed_bytes or 0)
            raise
        if self.failed_bytes is not None:
            log.info("media can be stored again", extra={"action": "media.stored"})
        self.failed_bytes = None
