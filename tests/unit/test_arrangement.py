"""The play order of scenes, and the positions that restored scenes return to."""

from hypothesis import given
from hypothesis import strategies as st

from models.domain.arrangement import Arrangement
from tests.support.property_settings import MODEST

IDS = [f"scene {number}" for number in range(7)]


def dense() -> Arrangement:
    """Return an arrangement of all scenes without gaps, as stored."""
    return Arrangement((scene_id, place, False) for place, scene_id in enumerate(IDS))


@MODEST
@given(gone=st.permutations(IDS), back=st.permutations(IDS), count=st.integers(1, 7))
def test_deleted_scenes_are_restored_to_their_positions(gone: list[str], back: list[str], count: int) -> None:
    """In whatever order they are deleted and restored."""
    arrangement = dense()
    for scene_id in gone[:count]:
        arrangement.delete(scene_id)
    assert arrangement.live == [scene_id for scene_id in IDS if scene_id not in gone[:count]]
    for scene_id in back:
        if scene_id in arrangement.live:
            continue
        arrangement.restore(scene_id)
    assert arrangement.live == IDS


def test_moved_returns_only_scenes_with_a_new_position() -> None:
    """Each change once."""
    arrangement = dense()
    arrangement.delete(IDS[4])
    assert arrangement.moved() == {IDS[5]: 4, IDS[6]: 5}
    assert arrangement.moved() == {}
    arrangement.restore(IDS[4])
    assert arrangement.moved() == {IDS[5]: 5, IDS[6]: 6}
    arrangement.reorder([IDS[1], IDS[0], *IDS[2:]])
    assert arrangement.moved() == {IDS[0]: 1, IDS[1]: 0}


def test_added_scene_moves_the_deleted_scenes_after_it() -> None:
    """A scene added at the end moves no other."""
    arrangement = dense()
    for scene_id in (IDS[1], IDS[5]):
        arrangement.delete(scene_id)
    arrangement.moved()
    arrangement.add("at the end", 5)
    assert arrangement.moved() == {}
    arrangement.add("third", 2)
    assert arrangement.moved() == {IDS[5]: 6, IDS[3]: 3, IDS[4]: 4, IDS[6]: 5, "at the end": 6}
    for scene_id in (IDS[5], IDS[1]):
        arrangement.restore(scene_id)
    assert arrangement.live == [*IDS[:3], "third", *IDS[3:], "at the end"]


def test_copy_of_an_arrangement_is_independent() -> None:
    """Changes of the original do not change the copy."""
    arrangement = dense()
    copied = arrangement.copy()
    arrangement.delete(IDS[0])
    assert copied.live == IDS
    assert copied.moved() == {}


def test_deleted_scenes_with_the_same_position_can_all_be_restored() -> None:
    """Older versions stored such positions."""
    arrangement = Arrangement([("a", 0, True), ("b", 0, True), ("c", 0, False), ("d", 0, True)])
    for scene_id in ("b", "d", "a"):
        arrangement.restore(scene_id)
    assert sorted(arrangement.live) == ["a", "b", "c", "d"]
