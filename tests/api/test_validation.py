"""What may not be said: refused with the place of the mistake, and never an accident."""

import base64
import json

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE, UNUSED_SUFFIX, a_job, accepted
from tests.support.queries import EVERYTHING, invalid, refused
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

HUGE = 2**64
TOO_MUCH = {"x": "y" * (16 * 1024)}
# Sixteen KiB to the byte: {"x":"…"} takes eight of them.
JUST_ENOUGH = {"x": "y" * (16 * 1024 - 8)}
BAD_TITLES = {
    "empty": "",
    "blank": " \t\u2003",
    "too long": "x" * 201,
    "NUL": "a\0b",
    "control character": "a\x1bb",
    "line break": "a\nb",
    "C1 control character": "a\x9bb",
}
BAD_PROMPTS = {
    "empty": "",
    "blank": "\n \n",
    "too long": "x" * 4001,
    "NUL": "a\0b",
    "control character": "a\x07b",
    "DEL": "a\x7fb",
}
BAD_DURATIONS = [0.4999, 60.001, 0, -1, 1e308]
BAD_METADATA: dict[str, Json] = {
    "too much": TOO_MUCH,
    "huge integer": {"n": HUGE},
    "huge negative integer": {"n": [-HUGE]},
    "NUL in a value": {"x": ["a\0b"]},
    "NUL in a key": {"a\0b": 1},
}
GOOD_METADATA: list[Json] = [
    {},
    JUST_ENOUGH,
    {"n": [HUGE - 1, -(2**63), 1e308, 0.1, None, True]},
    {"": {"": [[]]}},
]
BAD_IDS = {
    "empty": "",
    "prefix alone": "job_",
    "no prefix": UNUSED_SUFFIX,
    "not base32": "job_" + "u" * 26,
    "out of range": "job_8" + "z" * 25,
    "upper case": NO_JOB.upper(),
    "NUL": NO_JOB + "\0",
    "line break": NO_JOB + "\n",
    "path": "../../etc/passwd",
    "SQL": "' OR 1=1 --",
    "ten kilobytes": "x" * 10_000,
    "of another kind": f"take_{UNUSED_SUFFIX}",
}


def cursor(*parts: object) -> str:
    """A cursor that was never given out."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


BAD_CURSORS = {
    "empty": "",
    "nonsense": "nonsense",
    "not ASCII": "é",
    "long": "a" * 10_000,
    "no list": base64.urlsafe_b64encode(b"7").decode(),
    "empty list": cursor(),
    "numbers": cursor("CREATED_AT", 1, 2),
    "of no order": cursor("2026-01-01T00:00:00+00:00", NO_JOB),
    "no instant": cursor("CREATED_AT", "yesterday", NO_JOB),
    "instant without offset": cursor("CREATED_AT", "2026-01-01T00:00:00", NO_JOB),
    "instant before the first": cursor("CREATED_AT", "0001-01-01T00:00:00+23:59", NO_JOB),
    "instant after the last": cursor("CREATED_AT", "9999-12-31T23:59:59-23:59", NO_JOB),
    "NUL": cursor("CREATED_AT", "2026-01-01T00:00:00+00:00", "\0"),
    "half a surrogate pair": cursor("CREATED_AT", "2026-01-01T00:00:00+00:00", "\ud800"),
    "of scenes": cursor("POSITION", "x", NO_SCENE),
    "nested deeply": base64.urlsafe_b64encode(b"[" * 5000).decode(),
    "huge number": base64.urlsafe_b64encode(b"9" * 5000).decode(),
}


async def error_of(app: App, document: str, **variables: object) -> Json:
    """What the only error says that a client can branch on."""
    (error,) = (await app.result(document, **variables))["errors"]
    return error["extensions"]


class TestJobInput:
    """createJob and updateJob."""

    @pytest.mark.parametrize("title", BAD_TITLES.values(), ids=BAD_TITLES)
    async def test_titles(self, shared: App, title: str) -> None:
        """At most 200 characters in one line, and at least one that can be seen."""
        made = await a_job(shared)
        assert await refused(shared, NO_JOB, "createJob", title=title) == invalid("title")
        assert await refused(shared, made.id, "updateJob", jobId=made.id, title=title) == invalid("title")

    @pytest.mark.parametrize("metadata", BAD_METADATA.values(), ids=BAD_METADATA)
    async def test_metadata(self, shared: App, metadata: Json) -> None:
        """At most 16 KiB of what JSON can carry everywhere."""
        made = await a_job(shared)
        assert await refused(shared, NO_JOB, "createJob", title="A job", metadata=metadata) == invalid("metadata")
        error = await refused(shared, made.id, "updateJob", jobId=made.id, metadata=metadata)
        assert error == invalid("metadata")

    @pytest.mark.parametrize("key", ["", " ", "x" * 201, "a\0b", "a\nb"])
    @pytest.mark.parametrize("name", ["createJob", "startJob", "cancelJob", "addScene", "regenerateScene"])
    async def test_idempotency_keys(self, shared: App, name: str, key: str) -> None:
        """At most 200 characters in one line."""
        made = await a_job(shared, "One")
        fields: Json = {
            "createJob": {"title": "A job"},
            "addScene": {"jobId": made.id, "scene": {"prompt": "Two"}},
            "regenerateScene": {"sceneId": made.scenes[0]},
        }.get(name, {"jobId": made.id})
        assert await refused(shared, made.id, name, idempotencyKey=key, **fields) == invalid("idempotencyKey")

    async def test_at_the_limits(self, shared: App) -> None:
        """What is allowed is kept to the letter, whatever the alphabet."""
        title, prompt = "海" * 200, "Two\r\n\tlines " + "🪁" * 3000
        for metadata in GOOD_METADATA:
            payload = await accepted(
                shared,
                "createJob",
                "job { title metadata scenes { nodes { title prompt durationSeconds metadata } } }",
                title=title,
                metadata=metadata,
                scenes=[{"title": title, "prompt": prompt, "durationSeconds": 0.5, "metadata": metadata}],
                idempotencyKey=jobs.seeded("key").randbytes(100).hex(),
            )
            scene: Json = {"title": title, "prompt": prompt, "durationSeconds": 0.5, "metadata": metadata}
            assert payload["job"] == {"title": title, "metadata": metadata, "scenes": {"nodes": [scene]}}


class TestSceneInput:
    """The scenes of createJob, addScene, updateScene and regenerateScene."""

    @pytest.mark.parametrize("prompt", BAD_PROMPTS.values(), ids=BAD_PROMPTS)
    async def test_prompts(self, shared: App, prompt: str) -> None:
        """At most 4,000 characters; several lines, but nothing that cannot be seen."""
        made = await a_job(shared, "One")
        await accepted(shared, "cancelScene", sceneId=made.scenes[0])
        await self._check(shared, made, "prompt", prompt)
        error = await refused(shared, made.id, "regenerateScene", sceneId=made.scenes[0], prompt=prompt)
        assert error == invalid("prompt")

    @pytest.mark.parametrize("title", BAD_TITLES.values(), ids=BAD_TITLES)
    async def test_titles(self, shared: App, title: str) -> None:
        """A scene may have none, but not an empty one."""
        made = await a_job(shared, "One")
        await self._check(shared, made, "title", title)

    @pytest.mark.parametrize("seconds", BAD_DURATIONS)
    async def test_durations(self, shared: App, seconds: float) -> None:
        """From half a second to a minute."""
        made = await a_job(shared, "One")
        await self._check(shared, made, "durationSeconds", seconds)

    @pytest.mark.parametrize("metadata", BAD_METADATA.values(), ids=BAD_METADATA)
    async def test_metadata(self, shared: App, metadata: Json) -> None:
        """The same as for a job."""
        made = await a_job(shared, "One")
        await self._check(shared, made, "metadata", metadata)

    async def _check(self, app: App, made: jobs.Made, field: str, value: object) -> None:
        """It is refused wherever a scene is described, with where in the input it stands."""
        scene: Json = {"prompt": "A kite", field: value}
        error = await refused(app, NO_JOB, "createJob", title="A job", scenes=[{"prompt": "One"}, scene])
        assert error == invalid("scenes", "1", field)
        assert await refused(app, made.id, "addScene", jobId=made.id, scene=scene) == invalid("scene", field)
        error = await refused(app, made.id, "updateScene", sceneId=made.scenes[0], **{field: value})
        assert error == invalid(field)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("percentage", -0.001),
            ("percentage", 100.001),
            ("providerId", ""),
            ("providerId", "x" * 201),
            ("providerId", "a\0b"),
            ("outputUrl", ""),
            ("outputUrl", "not an address"),
            ("outputUrl", "ftp://clips.test/1.mp4"),
            ("outputUrl", "javascript:alert(1)"),
            ("outputUrl", "/etc/passwd"),
            ("outputUrl", "https://"),
            ("outputUrl", "https://[half/1.mp4"),
            ("outputUrl", "https://clips.test/a b.mp4"),
            ("outputUrl", "https://clips.test/" + "x" * 2048),
        ],
    )
    async def test_reports(self, shared: App, field: str, value: object) -> None:
        """What a worker tells is checked as well."""
        made = await a_job(shared, "One")
        fields: Json = {"status": "PROCESSING", field: value}
        assert await refused(shared, made.id, "updateScene", sceneId=made.scenes[0], **fields) == invalid(field)

    @pytest.mark.parametrize(
        ("field", "value"), [("code", ""), ("code", "x" * 101), ("message", ""), ("message", "x" * 1001)]
    )
    async def test_reported_failures(self, shared: App, field: str, value: str) -> None:
        """Code and message, each with its place."""
        made = await a_job(shared, "One")
        failure: Json = {"code": "NSFW", "message": "Not allowed", field: value}
        error = await refused(shared, made.id, "updateScene", sceneId=made.scenes[0], status="FAILED", failure=failure)
        assert error == invalid("failure", field)


@pytest.mark.both_databases
class TestNumbersInTheDocument:
    """What JSON cannot carry but a GraphQL document can, and the other way round."""

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
    async def test_infinite_durations(self, shared: App, number: str) -> None:
        """Refused like any other that is too long."""
        made = await a_job(shared, "One")
        document = f"""mutation {{ updateScene(input: {{sceneId: "{made.scenes[0]}", durationSeconds: {number}}}) {{
            errors {{ __typename code path }}
        }} }}"""
        assert (await shared.execute(document))["updateScene"]["errors"] == [invalid("durationSeconds")]

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 25, "9" * 5000])
    async def test_huge_numbers_in_metadata(self, shared: App, number: str) -> None:
        """Nobody could read them back."""
        made = await a_job(shared, "One")
        document = f"""mutation {{ updateJob(input: {{jobId: "{made.id}", metadata: {{n: {number}}}}}) {{
            errors {{ __typename code path }}
        }} }}"""
        assert (await shared.execute(document))["updateJob"]["errors"] == [invalid("metadata")]

    @pytest.mark.parametrize("value", ["[1]", "3", '"text"', "true"])
    async def test_metadata_is_an_object(self, shared: App, value: str) -> None:
        """Never an array or a bare value, in the document or in a variable."""
        made = await a_job(shared)
        field = "errors { code }"
        document = f'mutation {{ updateJob(input: {{jobId: "{made.id}", metadata: {value}}}) {{ {field} }} }}'
        assert (await error_of(shared, document))["code"] == "GRAPHQL_VALIDATION_FAILED"
        document = f"mutation($input: UpdateJobInput!) {{ updateJob(input: $input) {{ {field} }} }}"
        variables: Json = {"jobId": made.id, "metadata": json.loads(value)}
        assert (await error_of(shared, document, input=variables))["code"] == "BAD_USER_INPUT"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("durationSeconds", "NaN"),
            ("durationSeconds", "Infinity"),
            ("durationSeconds", "1e999"),
            ("title", r'"\ud800"'),
            ("metadata", r'{"\udc00": 1}'),
        ],
    )
    async def test_variables_that_are_no_json(self, shared: App, name: str, value: str) -> None:
        """NaN, infinity and half of a surrogate pair: the request is not understood."""
        document = "mutation($input: UpdateSceneInput!) { updateScene(input: $input) { errors { code } } }"
        body = f'{{"query": "{document}", "variables": {{"input": {{"sceneId": "{NO_SCENE}", "{name}": {value}}}}}}}'
        answer = await shared.http.post("/graphql", content=body, headers={"content-type": "application/json"})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["extensions"]) == (400, {"code": "BAD_REQUEST"})

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("durationSeconds", "NaN", "GRAPHQL_VALIDATION_FAILED"),
            ("durationSeconds", "Infinity", "GRAPHQL_VALIDATION_FAILED"),
            ("title", r'"\ud800"', "GRAPHQL_PARSE_FAILED"),
            ("metadata", r'{x: "\udc00"}', "GRAPHQL_PARSE_FAILED"),
        ],
    )
    async def test_the_same_in_the_document(self, shared: App, name: str, value: str, code: str) -> None:
        """It is not valid, or not even a document."""
        document = (
            f'mutation {{ updateScene(input: {{sceneId: "{NO_SCENE}", {name}: {value}}}) {{ errors {{ code }} }} }}'
        )
        assert (await error_of(shared, document))["code"] == code

    @pytest.mark.parametrize(
        ("variable", "value"), [("Int", HUGE), ("Int", 1.5), ("Int", "1"), ("Float", "1"), ("Float", True), ("ID", 1.5)]
    )
    async def test_wrong_types(self, shared: App, variable: str, value: object) -> None:
        """Explained to the client."""
        field = {"Int": "jobs(first: $x) { totalCount }", "ID": "job(id: $x) { id }"}.get(variable)
        document = f"query($x: {variable}!) {{ {field} }}"
        if variable == "Float":
            document = """mutation($x: Float) {
                updateScene(input: {sceneId: "scene", durationSeconds: $x}) { errors { code } }
            }"""
        assert (await error_of(shared, document, x=value))["code"] == "BAD_USER_INPUT"


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
    async def test_sizes(self, shared: App, arguments: str, field: str) -> None:
        """From 1 to 100, at one end."""
        made = await a_job(shared, "One")
        for document in self._lists(made.id, arguments):
            assert await error_of(shared, document) == {"code": "VALIDATION_FAILED", "field": [field]}

    @pytest.mark.parametrize("first", [0, -1, 101])
    async def test_sizes_of_plain_lists(self, shared: App, first: int) -> None:
        """Events and takes are not unbounded either."""
        made = await a_job(shared, "One")
        for selection in (
            f"events(first: {first}) {{ version }}",
            f"scenes {{ nodes {{ takes(first: {first}) {{ id }} }} }}",
        ):
            document = f'{{ job(id: "{made.id}") {{ {selection} }} }}'
            assert await error_of(shared, document) == {"code": "VALIDATION_FAILED", "field": ["first"]}

    @pytest.mark.parametrize("argument", ["after", "before"])
    @pytest.mark.parametrize("value", BAD_CURSORS.values(), ids=BAD_CURSORS)
    async def test_cursors_that_were_never_given_out(self, shared: App, value: str, argument: str) -> None:
        """Of nothing, of another list, of another program."""
        made = await a_job(shared, "One")
        for document in self._lists(made.id, f"{argument}: {json.dumps(value, ensure_ascii=False)}"):
            assert await error_of(shared, document) == {"code": "VALIDATION_FAILED", "field": [argument]}
        by_title = f"{argument}: {json.dumps(value, ensure_ascii=False)}, orderBy: {{field: TITLE}}"
        title = f"{{ jobs({by_title}) {{ totalCount }} }}"
        assert await error_of(shared, title) == {"code": "VALIDATION_FAILED", "field": [argument]}

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
    async def test_filters(self, shared: App, conditions: Json, field: str) -> None:
        """What no title and no owner can be."""
        document = "query($filter: JobFilter) { jobs(filter: $filter) { totalCount } }"
        assert await error_of(shared, document, filter=conditions) == {
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

    @pytest.mark.parametrize(
        "instant", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59", "", 7]
    )
    async def test_instants(self, shared: App, instant: object) -> None:
        """RFC 3339 with an offset."""
        document = "query($since: DateTime) { jobs(filter: {updatedSince: $since}) { totalCount } }"
        assert (await error_of(shared, document, since=instant))["code"] == "BAD_USER_INPUT"

    def _lists(self, job_id: str, arguments: str) -> list[str]:
        return [
            f"{{ jobs({arguments}) {{ totalCount }} }}",
            f'{{ job(id: "{job_id}") {{ scenes({arguments}) {{ totalCount }} }} }}',
        ]


class TestIds:
    """An id that is none, in every place that takes one."""

    QUERY = """query($id: ID!, $job: ID!, $scene: ID!) {
        node(id: $id) { id }
        missing: job(id: $id) { id }
        scene(id: $id) { id }
        inJob: scene(id: $scene, jobId: $id) { id }
        job(id: $job) { scene(id: $id) { id } }
    }"""

    @pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS)
    async def test_queries(self, shared: App, bad: str) -> None:
        """Null, like everything that is not there."""
        made = await a_job(shared, "One")
        assert await shared.execute(self.QUERY, id=bad, job=made.id, scene=made.scenes[0]) == {
            "node": None,
            "missing": None,
            "scene": None,
            "inJob": None,
            "job": {"scene": None},
        }

    @pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS)
    async def test_mutations(self, shared: App, bad: str) -> None:
        """Not found, with the id that was given and where."""
        made = await a_job(shared, "One")
        before = await jobs.job(shared, made.id, EVERYTHING)
        for name, more in (
            ("updateJob", {"title": "New"}),
            ("startJob", {}),
            ("cancelJob", {}),
            ("addScene", {"scene": {"prompt": "Two"}}),
        ):
            await self._check(shared, name, "jobId", bad, more)
        for name, more in (
            ("updateScene", {"title": "New"}),
            ("regenerateScene", {}),
            ("cancelScene", {}),
            ("deleteScene", {}),
            ("moveScene", {"position": 0}),
        ):
            await self._check(shared, name, "sceneId", bad, more)
            await self._check(shared, name, "sceneId", bad, more | {"jobId": made.id})
            await self._check(shared, name, "jobId", bad, more | {"sceneId": made.scenes[0]})
        assert await jobs.job(shared, made.id, EVERYTHING) == before

    @pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS)
    async def test_subscriptions(self, shared: App, bad: str) -> None:
        """An error instead of a stream."""
        for name, field in (("jobEvents", "jobId"), ("jobProgress", "jobId"), ("sceneUpdated", "sceneId")):
            document = f"subscription($id: ID!) {{ {name}({field}: $id) {{ __typename }} }}"
            assert await self._stream_error(shared, document, id=bad) == {"code": "NOT_FOUND", "field": [field]}

    async def test_the_owner_of_a_stream(self, shared: App) -> None:
        """What no owner can be is refused there as well."""
        document = "subscription($id: ID!) { jobsUpdated(filter: {ownerId: $id}) { id } }"
        for bad in ("a\0b", "x" * 10_000):
            error = await self._stream_error(shared, document, id=bad)
            assert (error["code"], error["refusals"][0]["field"]) == ("VALIDATION_FAILED", ["filter", "ownerId"])

    async def _stream_error(self, app: App, document: str, **variables: object) -> Json:
        """What the only error of a stream that ends at once says."""
        body = {"query": document, "variables": variables}
        answer = await app.http.post("/graphql", json=body, headers={"accept": "text/event-stream"})
        data = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
        (error,) = json.loads(data.removeprefix("data: "))["errors"]
        return error["extensions"]

    async def _check(self, app: App, name: str, field: str, bad: str, more: Json) -> None:
        """The payload holds this one error."""
        fields = more | {field: bad}
        selection = "errors { __typename code path ... on NotFoundError { id } }"
        payload = await app.mutate(name, selection, **fields)
        error = {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["input", field], "id": bad}
        assert payload == {"errors": [error]}, name
