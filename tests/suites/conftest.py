"""Fixtures of this folder."""

from collections.abc import AsyncGenerator, Generator
from functools import partial
from pathlib import Path

import pytest

from tests.support.database_choice import database_choice
from tests.support.postgres_processes import queue_for
from tests.support.property_settings import EFFORT
from tests.support.provider_cases import CASES, Case, Maker
from tests.support.tickets import Open

# `make proof` and pytest by itself run all tests of a costly case.
FEW = {
    "test_provider_yields_progress_then_one_clip",
    "test_poster_and_preview_are_as_their_assets_describe",
    "test_provider_resumes_an_order_by_provider_id",
    "test_cancel_ends_a_running_order_of_a_provider",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that need the server."""
    config.pluginmanager.import_plugin("tests.support.fixtures")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a costly case leave only FEW to runs with little effort, such as `make test`."""
    if EFFORT >= 1:
        return
    left_out = [item for item in items if _is_costly(item) and getattr(item, "originalname", None) not in FEW]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_costly(item: pytest.Item) -> bool:
    case = item.callspec.params.get("served_case") if isinstance(item, pytest.Function) and _has_params(item) else None
    return isinstance(case, Case) and case.costly


def _has_params(item: pytest.Function) -> bool:
    return hasattr(item, "callspec")


@pytest.fixture
def open_queue(database: None, tmp_path: Path) -> Generator[Open]:
    """Open the queue that belongs to the database under test; each call is like another process."""
    yield partial(queue_for, tmp_path)
    database_choice.drop(tmp_path)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def served_case(request: pytest.FixtureRequest) -> Generator[tuple[Case, object]]:
    """An implementation of the provider port, and what it talks to."""
    case: Case = request.param
    with case.serving() as server:
        yield case, server


@pytest.fixture
def provider_case(served_case: tuple[Case, object]) -> Case:
    """The implementation under test."""
    return served_case[0]


@pytest.fixture
async def make_provider(served_case: tuple[Case, object]) -> AsyncGenerator[Maker]:
    """Make providers; each is like one of another process."""
    case, server = served_case
    async with case.making(server) as make:
        yield make
