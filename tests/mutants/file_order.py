"""A pytest plugin that runs tests in the order of their files: mutmut shuffles them, and many share a server."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by file, line and parameter."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[str, int, list[int]]:
    path, line, _ = item.location
    indices: dict[str, int] = getattr(getattr(item, "callspec", None), "indices", {})
    return path, line or 0, [indices[name] for name in sorted(indices)]
