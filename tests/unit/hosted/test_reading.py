"""What is read from a service and kept, and the files that are sent to it."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from providers.catalogue import InputRole
from providers.hosted.files import MOST_SENT_BYTES, addresses
from providers.hosted.reading import Reading
from providers.port import Failure
from tests.support.orders import an_order
from tests.support.replicate import QUICK
from tests.support.waiting import eventually


async def test_what_is_not_understood_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the parser raises; an order fails before it is bought."""
    monkeypatch.setattr("providers.hosted.reading.REFUSED_SECONDS", 0.01)
    understood = False

    async def read() -> str:
        if not understood:
            raise OverflowError
        return "known"

    reading = Reading("the list", read, QUICK)
    reading.start()
    await eventually(lambda: reading.problem == "It cannot be used: it is not understood.")
    with pytest.raises(Failure) as caught:
        await reading.get()
    assert (caught.value.code, caught.value.retryable) == ("MODEL_UNUSABLE", False)
    understood = True
    await eventually(lambda: reading.known == "known")
    assert reading.problem is None
    await reading.close()


@dataclass(frozen=True)
class Large:
    """A file that must not be read, at a signed address or without one."""

    address: str | None
    size_bytes: int = MOST_SENT_BYTES // 2 + 1
    role: InputRole = InputRole.SOURCE_VIDEO
    content_type: str = "video/mp4"
    name: str | None = None

    async def path(self) -> Path:
        raise NotImplementedError

    async def url(self) -> str | None:
        return self.address


async def test_files_that_are_too_large_to_be_sent_are_refused(tmp_path: Path) -> None:
    """Before they are in memory, unless the service can read them here."""
    readable = Large("https://scenewire.test/signed")
    assert await addresses(an_order(tmp_path, inputs=(readable,))) == {0: "https://scenewire.test/signed"}
    for address in (None, "http://127.0.0.1/signed"):
        with pytest.raises(Failure) as caught:
            await addresses(an_order(tmp_path, inputs=(Large(address, MOST_SENT_BYTES + 1),)))
        assert (caught.value.code, caught.value.retryable) == ("INPUT_TOO_LARGE", False)
