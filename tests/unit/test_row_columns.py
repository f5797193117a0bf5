"""The SELECT of a row type names its columns by the fields of the row, and has them in the order of the fields."""

import pytest

from models.db.rows import JOB_COLUMNS, SCENE_SELECT, JobRow, SceneRow, TakeRow, select_columns, take_sources
from models.db.tables import JOB


def test_selected_columns_are_in_the_order_of_the_fields_and_labelled_with_them() -> None:
    """The order in which the columns are given does not matter."""
    sources = {"title": JOB.c.title, "job_id": JOB.c.id}
    assert [column.name for column in select_columns(("job_id", "title"), sources)] == ["job_id", "title"]


@pytest.mark.parametrize("fields", [("job_id",), ("job_id", "title", "version")], ids=["too few", "too many"])
def test_fields_and_columns_that_do_not_match_are_refused(fields: tuple[str, ...]) -> None:
    """At import, by the module that defines the SELECT."""
    with pytest.raises(TypeError):
        select_columns(fields, {"title": JOB.c.title, "job_id": JOB.c.id})


def test_every_select_of_a_row_type_has_its_fields() -> None:
    """Whatever is computed or comes from another table is labelled as well."""
    assert [column.name for column in JOB_COLUMNS] == list(JobRow._fields)
    assert [column.key for column in SCENE_SELECT.selected_columns] == list(SceneRow._fields)
    assert [column.name for column in select_columns(TakeRow._fields, take_sources())] == list(TakeRow._fields)
