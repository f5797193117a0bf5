"""Each place of the API that takes or returns an id is tried with an id of another owner."""

from tests.support.id_matrix import CALLS, MATRIX, RETURNED, places_returning_ids, places_taking_ids

SCENES = "/api/v3/jobs/{job_id}/scenes"


def test_every_place_that_takes_an_id_is_in_the_matrix() -> None:
    """Arguments and input fields."""
    assert sorted(places_taking_ids() - MATRIX.keys()) == []
    assert sorted(MATRIX.keys() - places_taking_ids()) == [], "these are not in the schema"


def test_every_place_that_returns_an_id_is_known() -> None:
    """Each returns an id that the caller may see or has sent."""
    assert sorted(places_returning_ids() - RETURNED.keys()) == []


def test_every_rest_call_is_in_the_ownership_matrix() -> None:
    """Each call takes a job id, and at most a scene id."""
    assert {call.path for call in CALLS} == {SCENES, f"{SCENES}/{{scene_id}}", f"{SCENES}/{{scene_id}}/regenerate"}
