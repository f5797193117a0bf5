"""Numbers and text that JSON cannot carry but a GraphQL document can, and the other way round."""

import json

import pytest

from tests.support.client import Json
from tests.support.factories import NO_SCENE, a_job
from tests.support.invalid_values import HUGE
from tests.support.queries import invalid, request_error
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.both_databases
class TestLiterals:
    """Values that JSON cannot carry but a GraphQL document can, and the other way round."""

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
    async def test_infinite_scene_durations_are_refused(self, shared: App, number: str) -> None:
        """Like any other that is too long."""
        made = await a_job(shared, "One")
        document = f"""mutation {{ updateScene(input: {{sceneId: "{made.scenes[0]}", durationSeconds: {number}}}) {{
            errors {{ __typename code path }}
        }} }}"""
        assert (await shared.execute(document))["updateScene"]["errors"] == [invalid("durationSeconds")]

    @pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 25, "9" * 5000])
    async def test_huge_numbers_in_metadata_are_refused(self, shared: App, number: str) -> None:
        """No client could read them back."""
        made = await a_job(shared, "One")
        document = f"""mutation {{ updateJob(input: {{jobId: "{made.id}", metadata: {{n: {number}}}}}) {{
            errors {{ __typename code path }}
        }} }}"""
        assert (await shared.execute(document))["updateJob"]["errors"] == [invalid("metadata")]

    @pytest.mark.parametrize(
        ("literal", "stored"),
        [
            ("{a: 1, b: $text}", {"a": 1}),
            ("{a: {b: $text, c: {}, d: {e: $text}}}", {"a": {"c": {}, "d": {}}}),
            ("{a: [1, $text, [$text], {b: $text, c: 2}]}", {"a": [1, None, [None], {"c": 2}]}),
            ("{a: $null, b: $five, c: $given}", {"a": None, "b": 5, "c": "given"}),
            ("{a: $status, b: $instant}", {"a": "FAILED", "b": "2026-01-31T06:30:00Z"}),
        ],
        ids=["field", "nested_fields", "list_items", "variables_with_values", "variables_of_other_scalars"],
    )
    async def test_field_of_metadata_whose_variable_is_missing_is_left_out(
        self, shared: App, literal: str, stored: Json
    ) -> None:
        """A field whose variable has no value is left out, as in an input object; an item of a list is null."""
        made = await a_job(shared)
        types = {
            "instant": "DateTime",
            "text": "String",
            "null": "Int",
            "five": "Int = 5",
            "given": "String",
            "status": "SceneStatus",
        }
        declared = " ".join(f"${name}: {kind}" for name, kind in types.items() if f"${name}" in literal)
        document = f"""mutation($id: ID!, {declared}) {{
            updateJob(input: {{jobId: $id, metadata: {literal}}}) {{ job {{ metadata }} }}
        }}"""
        given: Json = {"null": None, "given": "given", "status": "FAILED", "instant": "2026-01-31T12:00:00+05:30"}
        answer = await shared.execute(document, id=made.id, **given)
        assert answer["updateJob"]["job"]["metadata"] == stored

    @pytest.mark.parametrize("value", ["[1]", "3", '"text"', "true"])
    async def test_metadata_that_is_not_an_object_is_refused(self, shared: App, value: str) -> None:
        """An array or a bare value, in the document or in a variable."""
        made = await a_job(shared)
        field = "errors { code }"
        document = f'mutation {{ updateJob(input: {{jobId: "{made.id}", metadata: {value}}}) {{ {field} }} }}'
        assert (await request_error(shared, document))["code"] == "GRAPHQL_VALIDATION_FAILED"
        document = f"mutation($input: UpdateJobInput!) {{ updateJob(input: $input) {{ {field} }} }}"
        variables: Json = {"jobId": made.id, "metadata": json.loads(value)}
        assert (await request_error(shared, document, input=variables))["code"] == "BAD_USER_INPUT"

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
    async def test_variables_that_are_not_json_are_a_bad_request(self, shared: App, name: str, value: str) -> None:
        """NaN, infinity and half of a surrogate pair: the request cannot be parsed."""
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
    async def test_document_with_values_that_are_not_json_is_refused(
        self, shared: App, name: str, value: str, code: str
    ) -> None:
        """It fails to validate or to parse."""
        document = (
            f'mutation {{ updateScene(input: {{sceneId: "{NO_SCENE}", {name}: {value}}}) {{ errors {{ code }} }} }}'
        )
        assert (await request_error(shared, document))["code"] == code

    @pytest.mark.parametrize(
        ("variable", "value"), [("Int", HUGE), ("Int", 1.5), ("Int", "1"), ("Float", "1"), ("Float", True), ("ID", 1.5)]
    )
    async def test_variables_of_the_wrong_type_are_refused(self, shared: App, variable: str, value: object) -> None:
        """As bad user input."""
        field = {"Int": "jobs(first: $x) { totalCount }", "ID": "job(id: $x) { id }"}.get(variable)
        document = f"query($x: {variable}!) {{ {field} }}"
        if variable == "Float":
            document = """mutation($x: Float) {
                updateScene(input: {sceneId: "scene", durationSeconds: $x}) { errors { code } }
            }"""
        assert (await request_error(shared, document, x=value))["code"] == "BAD_USER_INPUT"
