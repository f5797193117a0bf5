"""Nothing that takes or returns an id is added to an API without a try at somebody else's."""

from tests.support.id_matrix import CALLS, MATRIX, RETURNED, returned, taken

SCENES = "/api/v3/jobs/{job_id}/scenes"


def test_every_place_that_takes_an_id_is_in_the_matrix() -> None:
    """Arguments and fields of inputs, wherever they are."""
    assert sorted(taken() - MATRIX.keys()) == []
    assert sorted(MATRIX.keys() - taken()) == [], "these are not in the schema"


def test_every_place_that_returns_an_id_is_known() -> None:
    """To come from what one sees, or from oneself."""
    assert sorted(returned() - RETURNED.keys()) == []


def test_every_call_of_rest_is_tried() -> None:
    """All of them name a job, and a scene at most."""
    assert {call.path for call in CALLS} == {SCENES, f"{SCENES}/{{scene_id}}", f"{SCENES}/{{scene_id}}/regenerate"}
