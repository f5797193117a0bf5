"""What else the REST calls promise: shapes, bodies, ids, and their own description."""

import json

import pytest

from tests.api.test_validation import BAD_IDS, HUGE
from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_SCENE, UNUSED_SUFFIX, a_job, a_job_of, report
from tests.support.queries import EVERYTHING, a_scene
from tests.support.rest_calls import call, data, error, no_job, place, refusal
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIP = "https://clips.test/kite.mp4"
NOT_UNDERSTOOD = "The request cannot be understood."
# Nothing, and what has a slash, makes another address altogether.
BAD_PARTS = {name: bad for name, bad in BAD_IDS.items() if bad and "/" not in bad}


class TestUpdate:
    """What PUT can do beyond the nineteen."""

    async def test_everything_at_once(self, shared: App) -> None:
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
        assert await a_scene(
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

    async def test_what_is_left_out_stays_and_null_clears(self, shared: App) -> None:
        """Where it can be null."""
        made = await a_job(shared, scenes=[{"prompt": "A kite", "title": "Kite"}])
        scene = await data(shared, "PUT", *place(made), provider_id="x")
        assert (scene["title"], scene["provider_id"]) == ("Kite", "x")
        scene = await data(shared, "PUT", *place(made), title=None, provider_id=None)
        assert (scene["title"], scene["provider_id"]) == (None, None)

    @pytest.mark.parametrize("status", ["completed", "COMPLETED", "Completed"])
    async def test_a_status_in_any_case(self, shared: App, status: str) -> None:
        """It is answered in lower case."""
        made = await a_job(shared, "A kite")
        assert (await data(shared, "PUT", *place(made), status=status))["status"] == "completed"

    async def test_nothing_at_all_changes_nothing(self, shared: App) -> None:
        """An empty object, a field that nobody knows, the same status again."""
        made = await a_job_of(shared, "PROCESSING")
        before = await jobs.job(shared, made.id, EVERYTHING)
        for body in ({}, {"shiny": True}, {"status": "processing"}):
            answer = await shared.http.put(f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}", json=body)
            assert answer.status_code == 200
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_a_failed_scene_tells_why(self, shared: App) -> None:
        """Under the names of this API."""
        made = await a_job(shared, "A kite")
        await report(shared, made.scenes[0], "FAILED", failure={"code": "NSFW", "message": "No", "retryable": True})
        scene = await data(shared, "GET", *place(made))
        occurred_at = scene["failure"].pop("occurred_at")
        assert scene["failure"] == {"code": "NSFW", "message": "No", "retryable": True}
        assert occurred_at.endswith(("Z", "+00:00"))

    async def test_all_that_is_wrong_is_told(self, shared: App) -> None:
        """Each with its place in the body; the message is all of them."""
        made = await a_job(shared, "A kite")
        status, told = await error(
            shared, "PUT", *place(made), prompt="", duration_seconds=61, video_url="nowhere", provider_id=""
        )
        assert status == 422
        assert told["code"] == "VALIDATION_FAILED"
        assert [detail["path"] for detail in told["details"]] == [
            ["prompt"],
            ["duration_seconds"],
            ["provider_id"],
            ["video_url"],
        ]
        assert told["message"] == "; ".join(detail["message"] for detail in told["details"])


class TestBodies:
    """Anything may arrive."""

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
        ids=lambda body: body[:24].decode("ascii", "backslashreplace") or "nothing",
    )
    async def test_what_cannot_be_understood_is_422(self, shared: App, body: bytes) -> None:
        """In the shape of every error, and it changes nothing."""
        made = await a_job(shared, "A kite")
        before = await jobs.job(shared, made.id, EVERYTHING)
        answer = await shared.http.put(
            f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}",
            content=body,
            headers={"content-type": "application/json"},
        )
        told = answer.json()["error"]
        assert answer.status_code == 422
        assert list(answer.json()) == ["error"]
        assert list(told) == ["code", "message", "details"]
        assert told["code"] == "VALIDATION_FAILED"
        assert all(list(detail) == ["code", "message", "path"] for detail in told["details"])
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    async def test_a_body_that_is_no_json(self, shared: App) -> None:
        """A form or a text is not understood."""
        made = await a_job(shared, "A kite")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            answer = await shared.http.put(
                f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}",
                content=b'{"status": "completed"}',
                headers={"content-type": kind},
            )
            assert (answer.status_code, answer.json()["error"]["message"]) == (422, NOT_UNDERSTOOD)

    async def test_a_body_beyond_a_megabyte(self, shared: App) -> None:
        """Is not read to its end."""
        made = await a_job(shared, "A kite")
        body = json.dumps({"title": "x" * 1_100_000}).encode()
        answer = await shared.http.put(
            f"/api/v3/jobs/{made.id}/scenes/{made.scenes[0]}",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


class TestAddresses:
    """What is not there, and what is not a call."""

    @pytest.mark.parametrize("bad", BAD_PARTS.values(), ids=BAD_PARTS)
    async def test_ids_that_are_none(self, shared: App, bad: str) -> None:
        """404 in every place that takes one, the same for all that is not there."""
        made = await a_job(shared, "A kite")
        encoded = "".join(f"%{byte:02x}" for byte in bad.encode())
        for method, verb, fields in (
            ("GET", "", {}),
            ("PUT", "", {"title": "x"}),
            ("POST", "regenerate", {}),
            ("DELETE", "", {}),
        ):
            assert await error(shared, method, encoded, made.scenes[0], verb, **fields) == no_job()
            status, told = await error(shared, method, made.id, encoded, verb, **fields)
            assert (status, told["code"], told["details"][0]["path"]) == (404, "NOT_FOUND", ["scene_id"])
        assert await error(shared, "GET", encoded) == no_job()

    async def test_a_deleted_scene(self, shared: App) -> None:
        """Is not found by who looks, and refuses everything else."""
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
    async def test_what_is_no_call(self, shared: App, method: str, path: str, status: int, code: str) -> None:
        """Is refused in the same shape."""
        answer = await shared.http.request(method, path)
        told = answer.json()["error"]
        assert (answer.status_code, told["code"], told["details"]) == (status, code, [])

    async def test_elsewhere_errors_look_as_they_do(self, shared: App) -> None:
        """The shape is that of /api/v3 alone."""
        answer = await shared.http.get("/api/v4/jobs")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


class TestDescription:
    """OpenAPI."""

    async def test_the_five_calls_are_listed(self, shared: App) -> None:
        """And nothing else, each with what it does."""
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
            f"POST {one}/regenerate": "Set a finished scene back to pending, to be rendered again.",
        }

    async def test_what_put_takes_is_described(self, shared: App) -> None:
        """With the statuses as this API spells them."""
        description = (await shared.http.get("/openapi.json")).json()
        properties = description["components"]["schemas"]["SceneUpdate"]["properties"]
        assert sorted(properties) == [
            "duration_seconds",
            "metadata",
            "percentage",
            "prompt",
            "provider_id",
            "status",
            "title",
            "video_url",
        ]
        statuses, _ = properties["status"]["anyOf"]
        assert statuses["enum"] == ["pending", "processing", "completed", "failed", "canceled"]

    async def test_a_page_to_read_it_on(self, shared: App) -> None:
        """At /api/docs."""
        answer = await shared.http.get("/api/docs")
        assert answer.status_code == 200
        assert "/openapi.json" in answer.text


async def test_a_rendered_scene_has_its_addresses(shared: App) -> None:
    """Clip and poster, as GraphQL tells them."""
    made = await jobs.make(shared, jobs.scene(steps=1), start=True)
    await jobs.settled(shared, made.id)
    scene = await data(shared, "GET", *place(made))
    told = await a_scene(shared, made.scenes[0], "output { url } poster { url }")
    assert told == {"output": {"url": scene["video_url"]}, "poster": {"url": scene["poster_url"]}}
    assert scene["video_url"] is not None
    assert (await call(shared, "GET", made.id)).json()["data"] == [scene]
