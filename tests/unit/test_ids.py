"""Typed, sortable ids (TypeID specification)."""

import time
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain import ids
from models.domain.ids import Prefix
from tests.support.property_settings import MODEST

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # the specification's base32, which is Crockford's
PREFIXES: tuple[Prefix, ...] = get_args(Prefix)
ID = "job_01h455vb4pex5vsknk084sn02q"  # from the specification's examples, with our prefix


def encoded(uuid: UUID) -> str:
    return "".join(DIGITS[uuid.int >> 5 * place & 31] for place in reversed(range(26)))


def decoded(suffix: str) -> UUID:
    return UUID(int=sum(DIGITS.index(digit) << 5 * place for place, digit in enumerate(reversed(suffix))))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_new_id_has_only_its_own_prefix(prefix: Prefix) -> None:
    """The prefix names the type; the suffix is a UUIDv7."""
    made = ids.new(prefix)
    assert decoded(made.removeprefix(f"{prefix}_")).version == 7
    assert [other for other in PREFIXES if ids.is_id(made, other)] == [prefix]


def test_ids_sort_by_creation_time() -> None:
    """To the millisecond, so that a list by id is a list by age."""
    made: list[str] = []
    for _ in range(5):
        made.append(ids.new("scene"))
        time.sleep(0.002)
    assert made == sorted(made)


def test_ids_are_unique() -> None:
    """Also not within a millisecond."""
    assert len({ids.new("take") for _ in range(2_000)}) == 2_000


def test_prefix_of_an_id_ends_at_the_last_underscore() -> None:
    """The example of the specification with our prefix."""
    assert ids.prefix_of(ID) == "job"
    assert ids.is_id(ID, "job")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "job",
        "job_",
        "_",
        ID.removeprefix("job"),
        ID.removeprefix("job_"),
        ID.upper(),
        ID + "0",
        ID[:-1],
        ID + "\n",
        ID.replace("_", "-"),
        ID[:-1] + "u",  # not a digit of the alphabet
        "job_8" + "z" * 25,  # more than 128 bits
        ID[:-1] + "٣",  # a digit outside the alphabet
        ID[:-1] + "\0",
        ID[:-1] + "\ud800",
    ],
)
def test_invalid_id_is_detected_without_a_lookup(value: str) -> None:
    """No row can have such an id."""
    assert not any(ids.is_id(value, prefix) for prefix in PREFIXES)


@MODEST
@given(st.text(), st.sampled_from(PREFIXES))
def test_accepted_id_is_safe_for_every_database_driver(value: str, prefix: Prefix) -> None:
    """It consists of ASCII letters, digits and underscores."""
    if ids.is_id(value, prefix):
        assert value.replace("_", "").isascii()
        assert value.replace("_", "").isalnum()


@MODEST
@given(st.uuids() | st.just(UUID(int=2**128 - 1)), st.sampled_from(PREFIXES))
def test_every_uuid_makes_a_valid_id(uuid: UUID, prefix: Prefix) -> None:
    """The check accepts all that the specification allows, the largest value included."""
    assert ids.is_id(f"{prefix}_{encoded(uuid)}", prefix)
