"""The operations that the explorer offers."""

from pathlib import Path
from typing import cast

import pytest
from graphql import IntrospectionQuery, build_client_schema, get_introspection_query, parse, validate

from tests.support.explorer import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPERATIONS = sorted((Path(__file__).parents[2] / "web" / "src" / "operations").glob("*.graphql"))


async def test_every_prepared_operation_is_valid(server: Server) -> None:
    """They validate against the schema of the server."""
    introspection = await server.execute(get_introspection_query(), {})
    schema = build_client_schema(cast("IntrospectionQuery", introspection))
    problems = {path.name: validate(schema, parse(path.read_text("utf-8"))) for path in OPERATIONS}
    assert problems == {path.name: [] for path in OPERATIONS}
    assert OPERATIONS
