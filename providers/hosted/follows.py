"""The follows of orders in this process: woken by callbacks, ended by cancels and by the end of the provider."""

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager

from providers.hosted.watch import Watch
from providers.port import Failure


class Follows:
    """The watches of the follows, by the id of what they follow."""

    def __init__(self) -> None:
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)

    @contextmanager
    def watched(self, provider_id: str) -> Generator[Watch]:
        """Yield the watch of a new follow."""
        watch = Watch()
        self._watches[provider_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[provider_id].discard(watch)
            if not self._watches[provider_id]:
                del self._watches[provider_id]

    def wake(self, provider_id: str) -> None:
        """Poll now."""
        for watch in self._watches.get(provider_id, ()):
            watch.wake()

    def cancel(self, provider_id: str, message: str) -> None:
        """End the follows of what is being canceled."""
        self._end(provider_id, Failure("CANCELED", message, retryable=False))

    def close(self) -> None:
        """End all follows."""
        for provider_id in list(self._watches):
            self._end(provider_id, Failure("INTERRUPTED", "The provider was shut down.", retryable=True))

    def _end(self, provider_id: str, failure: Failure) -> None:
        for watch in self._watches.get(provider_id, ()):
            watch.end(failure)
