"""Invalid arguments of lists: page sizes, cursors and filters."""

import json

import pytest

from tests.support.client import Json
from tests.support.factories import a_job
from tests.support.invalid_values import BAD_CURSORS
from tests.support.queries import request_error
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestPages:
    """The arguments of a connection."""

    @pytest.mark.parametrize(
        ("arguments", "field"),
        [
            ("first: 0", "first"),
            ("first: -1", "first"),
            ("first: 101", "first"),
            ("last: 0", "last"),
            ("last: 101", "last"),
            ("first: 1, last: 1", "last"),
        ],
    )
    async def test_invalid_page_sizes_are_refused(self, shared: App, arguments: str, field: str) -> None:
        """From 1 to 100, with either `first` or `last`."""
        made = await a_job(shared, "One")
        for document in self._lists(made.id, arguments):
            assert await request_error(shared, document) == {"code": "VALIDATION_FAILED", "field": [field]}

    @pytest.mark.parametrize("first", [0, -1, 101])
    async def test_invalid_sizes_of_plain_lists_are_refused(self, shared: App, first: int) -> None:
        """Events and takes are bounded as well."""
        made = await a_job(shared, "One")
        for selection in (
            f"events(first: {first}) {{ version }}",
            f"scenes {{ nodes {{ takes(first: {first}) {{ id }} }} }}",
        ):
            document = f'{{ job(id: "{made.id}") {{ {selection} }} }}'
            assert await request_error(shared, document) == {"code": "VALIDATION_FAILED", "field": ["first"]}

    @pytest.mark.parametrize("argument", ["after", "before"])
    @pytest.mark.parametrize("value", BAD_CURSORS.values(), ids=BAD_CURSORS)
    async def test_cursors_that_the_server_never_issued_are_refused(
        self, shared: App, value: str, argument: str
    ) -> None:
        """Nonsense, cursors of another list, and cursors of another program."""
        made = await a_job(shared, "One")
        for document in self._lists(made.id, f"{argument}: {json.dumps(value, ensure_ascii=False)}"):
            assert await request_error(shared, document) == {"code": "VALIDATION_FAILED", "field": [argument]}
        by_title = f"{argument}: {json.dumps(value, ensure_ascii=False)}, orderBy: {{field: TITLE}}"
        title = f"{{ jobs({by_title}) {{ totalCount }} }}"
        assert await request_error(shared, title) == {"code": "VALIDATION_FAILED", "field": [argument]}

    @pytest.mark.parametrize(
        ("conditions", "field"),
        [
            ({"search": "x" * 201}, "search"),
            ({"search": "a\0b"}, "search"),
            ({"ownerId": "a\0b"}, "ownerId"),
            ({"ownerId": "x" * 10_000}, "ownerId"),
        ],
        ids=["long search", "NUL in search", "NUL in owner", "long owner"],
    )
    async def test_invalid_job_filters_are_refused(self, shared: App, conditions: Json, field: str) -> None:
        """Values that no title and no owner can have."""
        document = "query($filter: JobFilter) { jobs(filter: $filter) { totalCount } }"
        assert await request_error(shared, document, filter=conditions) == {
            "code": "VALIDATION_FAILED",
            "refusals": [
                {
                    "code": "VALIDATION_FAILED",
                    "field": ["filter", field],
                    "message": f"{field} contains a control character or a broken surrogate."
                    if "\0" in conditions[field]
                    else f"{field} is longer than 200 characters.",
                }
            ],
        }

    def _lists(self, job_id: str, arguments: str) -> list[str]:
        return [
            f"{{ jobs({arguments}) {{ totalCount }} }}",
            f'{{ job(id: "{job_id}") {{ scenes({arguments}) {{ totalCount }} }} }}',
        ]
