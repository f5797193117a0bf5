"""The OpenAPI document of REST v3, and its documentation page."""

import pytest

from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


class TestOpenApi:
    """The description at /openapi.json."""

    async def test_openapi_lists_the_calls_for_scenes_and_leases(self, shared: App) -> None:
        """And no others, with their descriptions."""
        description = (await shared.http.get("/openapi.json")).json()
        calls = {
            f"{method.upper()} {path}": call["description"]
            for path, methods in description["paths"].items()
            for method, call in methods.items()
        }
        one = "/api/v3/jobs/{job_id}/scenes/{scene_id}"
        assert calls == {
            "GET /api/v3/jobs/{job_id}/scenes": "List the scenes of a job in play order, with the job's progress.",
            f"GET {one}": "Get one scene.",
            f"PUT {one}": "Edit a scene, or report its progress.",
            f"DELETE {one}": "Delete a scene. Refused while its job is processing.",
            f"POST {one}/regenerate": (
                "Set a finished scene back to pending, to be rendered again: as it is, or with what the body changes."
            ),
            "POST /api/v3/leases/claim": "Lease waiting takes; wait for the first of them.",
            "POST /api/v3/leases/renew": "Extend a lease, and report how far its take is.",
            "POST /api/v3/leases/finish": "End a lease with an uploaded clip, which the server then looks at.",
            "POST /api/v3/leases/fail": "End a lease because the take failed.",
            "POST /api/v3/leases/release": "Return a take to the queue; no attempt is used up.",
        }

    async def test_openapi_describes_the_fields_of_put_scene(self, shared: App) -> None:
        """With the statuses in lower case."""
        description = (await shared.http.get("/openapi.json")).json()
        properties = description["components"]["schemas"]["SceneUpdate"]["properties"]
        assert sorted(properties) == [
            "adopt_output",
            "duration_seconds",
            "inputs",
            "metadata",
            "output_asset_id",
            "percentage",
            "prompt",
            "provider_id",
            "settings",
            "status",
            "take_number",
            "title",
            "video_url",
        ]
        statuses, _ = properties["status"]["anyOf"]
        assert statuses["enum"] == ["pending", "processing", "completed", "failed", "canceled"]

    async def test_openapi_has_a_documentation_page(self, shared: App) -> None:
        """At /api/docs."""
        answer = await shared.http.get("/api/docs")
        assert answer.status_code == 200
        assert "/openapi.json" in answer.text
