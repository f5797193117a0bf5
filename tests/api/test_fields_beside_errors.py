"""The fields beside one that fails: those that are cancelled with it cause no error of their own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.server_app import App, running

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

# `viewer` is not null, so the error of `b` ends all other fields, while the statement of `a` is being executed.
VIEWER = "viewer { a: tokens(first: 20) { id } b: tokens(first: 0) { id } }"
REPEATED = 20


@pytest.fixture(params=[True, False], ids=["compiled", "not compiled"])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[App]:
    """A server with compiled operations or without."""
    async with running(tmp_path, renders=False, compiled_execution=request.param) as app:
        yield app


@pytest.mark.parametrize("is_first", [True, False])
async def test_statement_of_cancelled_field_is_no_failure_of_the_database(app: App, *, is_first: bool) -> None:
    """Neither for the fields that still read, nor when graphql-core makes the answer again."""
    made = await jobs.make(app, jobs.scene("A kite"), provider="external")
    others = f'node(id: "{made.scenes[0]}") {{ id }} scene(id: "{made.scenes[0]}") {{ id job {{ metadata }} }}'
    query = f"{{ {VIEWER} {others} }}" if is_first else f"{{ {others} {VIEWER} }}"
    for _ in range(REPEATED):
        answer = (await app.http.post("/graphql", json={"query": query})).json()
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["VALIDATION_FAILED"]
