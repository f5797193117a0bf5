"""Which heads of requests are forgotten when there is no room for all."""

import weakref
from typing import Any, cast

from server.transports.short_path.kept_heads import BYTES_OF_HEAD, KeptHead, KeptHeads
from server.transports.short_path.response_heads import ResponseHead
from tests.support.renewals import SameState

ROOM = 3 * BYTES_OF_HEAD + 100


def head() -> KeptHead:
    """Return a head that nothing has used since it was kept."""
    made = KeptHead({}, {}, lambda _: {}, SameState(), cast("Any", None), None, ResponseHead(b"", b"", b"", b"", False))
    made.is_used = False
    return made


def test_heads_that_connections_have_used_outlive_older_ones() -> None:
    """A connection that has found a head does not ask for it again: it marks the head."""
    heads, made = KeptHeads(ROOM), [head() for _ in range(4)]
    for key, each in enumerate(made[:3]):
        heads.add(key, b"", each)
    made[0].is_used = True
    heads.add(3, b"", made[3])
    assert [heads.get(key) for key in range(4)] == [made[0], None, made[2], made[3]]
    assert not made[0].is_used


def test_new_head_takes_the_place_of_the_oldest_when_all_are_used() -> None:
    """So heads that are in use at the moment do not keep new ones away."""
    heads, made = KeptHeads(ROOM), [head() for _ in range(4)]
    for key, each in enumerate(made):
        each.is_used = True
        heads.add(key, b"", each)
    assert [heads.get(key) is not None for key in range(4)] == [False, True, True, True]
    assert heads.bytes == 3 * BYTES_OF_HEAD


def test_forgotten_head_takes_no_memory() -> None:
    """A connection keeps the way to a head, not the head."""
    heads = KeptHeads(ROOM)
    heads.add("first", b"", head())
    kept = heads.get("first")
    assert kept is not None
    reference = weakref.ref(kept)
    del kept
    for key in range(3):
        heads.add(key, b"", head())
    assert reference() is None
