"""Options and parts for every test. Imports no server, so that a pure unit test starts within a second."""

import gc
import os
from pathlib import Path

import pytest

from tests.support.database_choice import KINDS
from tests.support.plain_ids import plain_id

HERE = Path(__file__).parent
# As tests/support/property_settings.py has it, which imports Hypothesis.
IN_FULL = float(os.environ.get("SCENEWIRE_TEST_EFFORT", "1")) >= 1
PARALLEL = "parallel"
PARTS = (PARALLEL, "waiting", "alone")
# Tests that need the machine for themselves: they compare delays.
ALONE = ("live/test_fan_out.py",)
# Tests that start processes, databases or browsers and mostly wait for them, or for the pauses between two requests.
WAITING = (
    "attacks/test_floods.py",
    "attacks/test_fuzz.py",
    "attacks/test_heavy_requests.py",
    "attacks/test_neighbours.py",
    "browser",
    "chaos/test_chaos.py",
    "clients/test_javascript",
    "compilers",
    "distributed",
    "faults",
    "live",
    "proxies",
    "unit/comfyui",
    "unit/fal",
    "unit/openrouter",
    "unit/replicate",
)

# Tests that start a short process: a render, an inspection, a joining, or Node.
CHILD_PROCESSES = (
    "api/test_adopted_outputs.py",
    "api/test_adopting_hosts.py",
    "api/test_adoption_places.py",
    "api/test_assembled_video.py",
    "api/test_assembly_races.py",
    "api/test_asset_outputs.py",
    "api/test_asset_purge.py",
    "api/test_assets.py",
    "api/test_bucket_uploads.py",
    "api/test_input_files.py",
    "api/test_inspected_takes.py",
    "api/test_inspecting_process.py",
    "api/test_purge.py",
    "api/test_stale_video.py",
    "api/test_uploads.py",
    "api/test_video_codecs.py",
    "suites/test_provider_models.py",
    "suites/test_providers.py",
    "transports/test_clients.py",
    "unit/test_huge_pages.py",
    "unit/test_imports.py",
    "unit/test_inspection.py",
    "unit/test_joining.py",
    "unit/test_joining_limits.py",
    "unit/test_render_inputs.py",
    "unit/test_render_local.py",
)
# Fixtures that start a process which a file of tests shares.
PROCESS_FIXTURES = frozenset({"fake_process", "server_url"})


def pytest_configure() -> None:
    """Collect no garbage until all tests are imported: almost nothing that imports make is garbage, and looking for it
    is a fifth of their CPU time."""
    gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the choice of a database and of a part of `make test`."""
    parser.addoption("--database", choices=KINDS, help="default: SQLite, and both where marked both_databases")
    parser.addoption("--part", choices=PARTS, help="import and run the files of this part of `make test` only")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore files of other parts: each process of a part would import them."""
    part: str | None = config.getoption("--part")
    if part is None or not collection_path.name.startswith("test_"):
        return None
    return True if _part(collection_path) != part else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that use `database` on SQLite, and on Postgres as well where they are marked."""
    if "database" in metafunc.fixturenames:
        only: str | None = metafunc.config.getoption("--database")
        definition = metafunc.definition
        alone = ("sqlite_alone",) if IN_FULL else ("sqlite_alone", "thorough_on_postgres")
        both = definition.get_closest_marker("both_databases") and not any(map(definition.get_closest_marker, alone))
        kinds = [only] if only else KINDS if both else KINDS[:1]
        metafunc.parametrize("database", kinds, indirect=True, scope="module")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Give values that are text a plain id."""
    return plain_id(val, argname)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with the part of `make test` that runs it, and those that need a process or a Postgres. Leave
    thorough ones to runs with full effort."""
    if not IN_FULL and (left_out := [item for item in items if item.get_closest_marker("thorough")]):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("thorough")]
    for item in items:
        part = _part(item.path)
        if part != PARALLEL:
            item.add_marker(part)
        if _starts_processes(item):
            item.add_marker("process")
        if isinstance(item, pytest.Function) and _needs_postgres(item):
            item.add_marker("postgres")


def pytest_collection_finish() -> None:
    """Exempt what was imported from garbage collection, which is a twentieth of the CPU time of the tests otherwise."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


def _part(path: Path) -> str:
    where = path.relative_to(HERE).as_posix()
    return "alone" if where.startswith(ALONE) else "waiting" if where.startswith(WAITING) else PARALLEL


def _starts_processes(item: pytest.Item) -> bool:
    fixtures = item.fixturenames if isinstance(item, pytest.Function) else ()
    where = item.path.relative_to(HERE).as_posix()
    return where.startswith(CHILD_PROCESSES) or not PROCESS_FIXTURES.isdisjoint(fixtures)


def _needs_postgres(item: pytest.Function) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return "postgres" in item.fixturenames or parameters.get("database") == "postgres"
