"""The OpenAPI document at /openapi.json."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import jobs
from tests.support.server_app import App, running
from tests.support.tokens import production_server

ERRORS = {"401", "403", "404", "422", "429", "503"}
METHODS = {"get", "put", "post", "delete"}


def operations(document: Any) -> list[Any]:
    """Return the operations of all paths."""
    return [item[method] for item in document["paths"].values() for method in METHODS & item.keys()]


async def test_openapi_names_the_error_responses_of_every_call(app: App) -> None:
    """Each has the schema of its body, and an actual error conforms to it."""
    document = (await app.http.get("/openapi.json")).json()
    found = operations(document)
    # Those of scenes, and those of leases.
    assert len(found) == 5 + 5
    for operation in found:
        responses = operation["responses"]
        assert responses.keys() >= ERRORS, operation["operationId"]
        schemas = {responses[status]["content"]["application/json"]["schema"]["$ref"] for status in ERRORS}
        assert schemas == {"#/components/schemas/ErrorResponse"}
        assert "Retry-After" in responses["429"]["headers"]
    schemas = document["components"]["schemas"]
    missing = (await app.http.get("/api/v3/jobs/1/scenes")).json()
    assert missing.keys() == schemas["ErrorResponse"]["properties"].keys()
    assert missing["error"].keys() == schemas["Error"]["properties"].keys()


@pytest.mark.parametrize("production", [False, True], ids=["development", "production"])
async def test_openapi_describes_bearer_tokens_and_the_server(tmp_path: Path, production: bool) -> None:
    """Tokens are required in production and optional in development."""
    if production:
        async with production_server(tmp_path, explorer=True) as place:
            document = (await place.client(None).http.get("/openapi.json")).json()
    else:
        async with running(tmp_path) as app:
            document = (await app.http.get("/openapi.json")).json()
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == ([] if production else [{}]) + [{"bearer": []}]
    assert document["servers"] == [{"url": "/"}]


async def test_every_call_of_openapi_answers_at_the_named_server(app: App) -> None:
    """Every documented path is a route below the documented server URL."""
    document = (await app.http.get("/openapi.json")).json()
    made = await jobs.make(app, jobs.scene())
    (server,) = document["servers"]
    for path in document["paths"]:
        address = server["url"].rstrip("/") + path.format(job_id=made.id, scene_id=made.scenes[0])
        assert (await app.http.get(address)).status_code in (200, 405), address
