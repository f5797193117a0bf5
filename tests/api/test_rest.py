"""REST beyond the nineteen scenarios: fields, invalid bodies, ids and error shapes."""

import json

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_ASSET, NO_SCENE, UNUSED_SUFFIX, a_job, a_job_of, report
from tests.support.invalid_values import BAD_IDS, HUGE
from tests.support.queries import EVERYTHING, read_scene
from tests.support.rest_calls import call, data, error, no_job, place, refusal
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIP = "https://clips.test/kite.mp4"
BAD_REQUEST = "The request cannot be understood."
# An empty id or one with a slash makes the path of another route.
BAD_PARTS = {name: bad for name, bad in BAD_IDS.items() if bad and "/" not in bad}


class TestUpdateScene:
    """PUT with all its fields."""

    async def test_put_scene_sets_all_fields_at_once(self, shared: App) -> None:
        """Edits and reports, under the names of this API."""
        made = await a_job(shared, "A kite")
        fields: Json = {
            "status": "processing",
            "provider_id": "replicate-xyz",
            "title": "Kite",
            "prompt": "A red kite",
            "duration_seconds": 7,
            "percentage": 12.5,
            "video_url": CLIP,
            "metadata": {"a": 1},
        }
        scene = await data(shared, "PUT", *place(made), **fields)
        assert {name: scene[name] for name in fields} == fields
        assert await read_scene(
            shared, made.scenes[0], "status title prompt durationSeconds percentage output { url } metadata providerId"
        ) == {
            "status": "PROCESSING",
            "title": "Kite",
            "prompt": "A red kite",
            "durationSeconds": 7.0,
            "percentage": 12.5,
            "output": {"url": CLIP},
            "metadata": {"a": 1},
            "providerId": "replicate-xyz",
        }

    async def test_put_scene_keeps_absent_fields_and_clears_null_ones(self, shared: App) -> None:
        """If the field is nullable."""
        made = await a_job(shared, scenes=[{"prompt": "A kite", "title": "Kite"}])
        scene = await data(shared, "PUT", *place(made), provider_id="x")
        assert (scene["title"], scene["provider_id"]) == ("Kite", "x")
        scene = await data(shared, "PUT", *place(made), title=None, provider_id=None)
        assert (scene["title"], scene["provider_id"]) == (None, None)

    @pytest.mark.parametrize("status", ["completed", "COMPLETED", "Completed"])
    async def test_scene_status_is_accepted_in_any_case(self, shared: App, status: str) -> None:
        """The response has it in lower case."""
        made = await a_job(shared, "A kite")
        assert (await data(shared, "PUT", *place(made), status=status))["status"] == "completed"

    async def test_put_scene_without_a_change_changes_nothing(self, shared: App) -> None:
        """An empty object, an unknown field, the current status."""
        made = await a_job_of(shared, "PROCESSING")
        before = await jobs.job(shared, made.id, EVERYTHING)
        for body in ({}, {"shiny": True}, {"status": "processing"}):
            answer = await shared.http.put(f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}", json=body)
            assert answer.status_code == 200
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_failed_scene_has_its_failure(self, shared: App) -> None:
        """Under the names of this API."""
        made = await a_job(shared, "A kite")
        await report(shared, made.scenes[0], "FAILED", failure={"code": "NSFW", "message": "No", "retryable": True})
        scene = await data(shared, "GET", *place(made))
        occurred_at = scene["failure"].pop("occurred_at")
        assert scene["failure"] == {"code": "NSFW", "message": "No", "retryable": True}
        assert occurred_at.endswith(("Z", "+00:00"))

    async def test_put_scene_reports_all_invalid_fields(self, shared: App) -> None:
        """Each with its path in the body; the message joins all messages."""
        made = await a_job(shared, "A kite")
        status, body = await error(
            shared, "PUT", *place(made), prompt="", duration_seconds=61, video_url="nowhere", provider_id=""
        )
        assert status == 422
        assert body["code"] == "VALIDATION_FAILED"
        assert [detail["path"] for detail in body["details"]] == [
            ["prompt"],
            ["duration_seconds"],
            ["provider_id"],
            ["video_url"],
        ]
        assert body["message"] == "; ".join(detail["message"] for detail in body["details"])

    async def test_invalid_items_of_lists_are_named_by_their_place(self, shared: App) -> None:
        """Whether the form of the body is wrong, or what it says."""
        made = await a_job(shared, "A kite")
        good: Json = {"role": "reference", "asset_id": NO_ASSET}
        malformed = [good, {"role": "reference", "name": 7}, {"role": "hero", "asset_id": NO_ASSET}]
        status, body = await error(shared, "PUT", *place(made), inputs=malformed)
        assert status == 422
        assert [detail["path"] for detail in body["details"]] == [["inputs", "1", "name"], ["inputs", "2", "role"]]
        status, body = await error(shared, "PUT", *place(made), inputs=[good, good | {"at_seconds": 1}])
        assert (status, body["details"][0]["path"]) == (422, ["inputs", "1", "at_seconds"])


class TestSceneBodies:
    """Invalid bodies of PUT."""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"7",
            b"\xff\xfe",
            b'{"title": "\xff"}',
            b"[" * 100_000,
            b'{"metadata": {"n": ' + b"9" * 5000 + b"}}",
            b'{"status": 7}',
            b'{"status": ["completed"]}',
            b'{"status": true}',
            b'{"status": ""}',
            b'{"status": null}',
            b'{"provider_id": 7}',
            b'{"title": {}}',
            b'{"prompt": null}',
            b'{"duration_seconds": "5"}',
            b'{"duration_seconds": true}',
            b'{"duration_seconds": null}',
            b'{"duration_seconds": NaN}',
            b'{"duration_seconds": Infinity}',
            b'{"percentage": 1e999}',
            b'{"percentage": "50"}',
            b'{"metadata": []}',
            b'{"metadata": null}',
            b'{"metadata": {"n": NaN}}',
            b'{"metadata": {"n": 1e999}}',
            b'{"metadata": {"n": %d}}' % HUGE,
            b'{"metadata": {"x": "' + b"y" * 17_000 + b'"}}',
            b'{"metadata": ' + b'{"a":' * 300 + b"1" + b"}" * 301,
            b'{"title": "\\ud800"}',
            b'{"metadata": {"\\udc00": 1}}',
            b'{"title": "a\\u0000b"}',
            b'{"video_url": "javascript:alert(1)"}',
        ],
    )
    async def test_invalid_scene_body_is_422(self, shared: App, body: bytes) -> None:
        """In the shape of every error; nothing is changed."""
        made = await a_job(shared, "A kite")
        before = await jobs.job(shared, made.id, EVERYTHING)
        answer = await shared.http.put(
            f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}",
            content=body,
            headers={"content-type": "application/json"},
        )
        rest_error = answer.json()["error"]
        assert answer.status_code == 422
        assert list(answer.json()) == ["error"]
        assert list(rest_error) == ["code", "message", "details"]
        assert rest_error["code"] == "VALIDATION_FAILED"
        assert all(list(detail) == ["code", "message", "path"] for detail in rest_error["details"])
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_scene_body_of_another_media_type_is_422(self, shared: App) -> None:
        """Forms and plain text."""
        made = await a_job(shared, "A kite")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            answer = await shared.http.put(
                f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}",
                content=b'{"status": "completed"}',
                headers={"content-type": kind},
            )
            assert (answer.status_code, answer.json()["error"]["message"]) == (422, BAD_REQUEST)

    async def test_scene_body_above_one_megabyte_is_413(self, shared: App) -> None:
        """Without reading the rest of it."""
        made = await a_job(shared, "A kite")
        body = json.dumps({"title": "x" * 1_100_000}).encode()
        answer = await shared.http.put(
            f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


class TestScenePaths:
    """Unknown ids and routes."""

    @pytest.mark.parametrize("bad", BAD_PARTS.values(), ids=BAD_PARTS)
    async def test_invalid_job_or_scene_id_is_404(self, shared: App, bad: str) -> None:
        """On every route, with the same error as for an unknown id."""
        made = await a_job(shared, "A kite")
        encoded = "".join(f"%{byte:02x}" for byte in bad.encode())
        for method, verb, fields in (
            ("GET", "", {}),
            ("PUT", "", {"title": "x"}),
            ("POST", "regenerate", {}),
            ("DELETE", "", {}),
        ):
            assert await error(shared, method, encoded, made.scenes[0], verb, **fields) == no_job()
            status, body = await error(shared, method, made.id, encoded, verb, **fields)
            assert (status, body["code"], body["details"][0]["path"]) == (404, "NOT_FOUND", ["scene_id"])
        assert await error(shared, "GET", encoded) == no_job()

    async def test_deleted_scene_is_404_for_get_and_422_for_changes(self, shared: App) -> None:
        """With the code ALREADY_DELETED."""
        made = await a_job(shared, "A kite")
        await data(shared, "DELETE", *place(made))
        assert (await error(shared, "GET", *place(made)))[0] == 404
        expected = 422, refusal("ALREADY_DELETED", "The scene is deleted.", "scene_id")
        assert await error(shared, "PUT", *place(made), title="New") == expected
        assert await error(shared, "POST", *place(made), "regenerate") == expected
        assert await error(shared, "DELETE", *place(made)) == expected

    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/api/v3/nothing", 404, "NOT_FOUND"),
            ("GET", "/api/v3/jobs", 404, "NOT_FOUND"),
            ("POST", f"/api/v3/jobs/job_{UNUSED_SUFFIX}/scenes", 405, "METHOD_NOT_ALLOWED"),
            ("PATCH", f"/api/v3/jobs/job_{UNUSED_SUFFIX}/scenes/{NO_SCENE}", 405, "METHOD_NOT_ALLOWED"),
            ("GET", f"/api/v3/jobs/job_{UNUSED_SUFFIX}/scenes/{NO_SCENE}/regenerate", 405, "METHOD_NOT_ALLOWED"),
        ],
    )
    async def test_unknown_rest_route_or_method_has_the_error_shape(
        self, shared: App, method: str, path: str, status: int, code: str
    ) -> None:
        """404 or 405, without details."""
        answer = await shared.http.request(method, path)
        rest_error = answer.json()["error"]
        assert (answer.status_code, rest_error["code"], rest_error["details"]) == (status, code, [])

    async def test_error_outside_of_rest_has_the_default_shape(self, shared: App) -> None:
        """FastAPI's own."""
        answer = await shared.http.get("/api/v4/jobs")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_rendered_scene_has_the_media_urls_of_graphql(shared: App) -> None:
    """Of clip and poster."""
    made = await jobs.make(shared, jobs.scene(steps=1), start=True)
    await jobs.settled(shared, made.id)
    scene = await data(shared, "GET", *place(made))
    files = await read_scene(shared, made.scenes[0], "output { url } poster { url }")
    assert files == {"output": {"url": scene["video_url"]}, "poster": {"url": scene["poster_url"]}}
    assert scene["video_url"] is not None
    assert (await call(shared, "GET", made.id)).json()["data"] == [scene]
