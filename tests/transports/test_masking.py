"""What the schema's errors say, and what they keep to themselves."""

import enum
from collections.abc import AsyncGenerator

import pytest
import strawberry
from graphql import ASTValidationRule, FieldNode, GraphQLError, ValidationRule
from strawberry.types import ExecutionContext

from models.domain.errors import DomainErrors, Invalid, NotFound
from server.masking import MaskedSchema
from server.transports.documents import CACHEABLE_CHARACTERS

SECRET = "the password is swordfish"


class Hue(enum.Enum):
    RED = "red"


strawberry.enum(Hue)


class Failure(RuntimeError):
    """One that several fields share."""


@strawberry.type
class Thing:
    @strawberry.field
    def shared(self, info: strawberry.Info[Failure, None]) -> str | None:
        raise info.context


@strawberry.interface
class Animal:
    name: str


@strawberry.type
class Unregistered(Animal):
    """Nothing in the schema leads to it."""


@strawberry.type
class Query:
    @strawberry.field
    def returns_unregistered(self) -> Animal | None:
        return Unregistered(name=SECRET)

    @strawberry.field
    def things(self) -> list[Thing]:
        return [Thing(), Thing(), Thing()]

    @strawberry.field
    def takes(self, number: int = 1, numbers: list[int] | None = None) -> int:
        return number

    @strawberry.field
    def missing(self) -> str | None:
        raise NotFound("There is no such job", ["input", "id"], "job_1")

    @strawberry.field
    def wrong(self) -> str | None:
        raise DomainErrors([Invalid("Too long", ["title"]), Invalid("Empty", ["prompt"])])

    @strawberry.field
    def raises(self) -> str | None:
        raise KeyError(SECRET)

    @strawberry.field
    def raises_graphql(self) -> str | None:
        raise GraphQLError(SECRET)

    @strawberry.field
    def raises_coded(self) -> str | None:
        raise GraphQLError("Slow down", extensions={"code": "RATE_LIMITED"})

    @strawberry.field
    def returns_nothing(self) -> str:
        return None  # pyright: ignore[reportReturnType]

    @strawberry.field
    def returns_nonsense(self) -> int:
        return SECRET  # pyright: ignore[reportReturnType]

    @strawberry.field
    def returns_no_enum(self) -> Hue:
        return SECRET  # pyright: ignore[reportReturnType]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def raises(self) -> AsyncGenerator[int]:
        yield 1
        raise KeyError(SECRET)


SCHEMA = MaskedSchema(Query, subscription=Subscription)


async def only_error(query: str, variables: dict[str, object] | None = None) -> GraphQLError:
    result = await SCHEMA.execute(query, variable_values=variables)
    (error,) = result.errors or []
    return error


@pytest.mark.parametrize(
    "field", ["raises", "raisesGraphql", "returnsNothing", "returnsNonsense", "returnsNoEnum", "returnsUnregistered"]
)
async def test_what_nobody_expected_is_masked(field: str, caplog: pytest.LogCaptureFixture) -> None:
    """Logged once with its traceback; the client is given the id to ask for it by."""
    error = await only_error(f"{{ {field} {'{ name }' if field == 'returnsUnregistered' else ''} }}")
    (record,) = caplog.records
    assert error.formatted == {
        "message": "Internal error",
        "locations": [{"line": 1, "column": 3}],
        "path": [field],
        "extensions": {"code": "INTERNAL", "id": record.__dict__["error_id"]},
    }
    assert record.__dict__["action"] == "internal_error"
    assert record.exc_info is not None
    assert record.exc_info[2] is not None


async def test_one_failure_of_many_fields_is_logged_once() -> None:
    """A loader fails once for all that waited for it."""
    result = await SCHEMA.execute("{ things { shared } }", context_value=Failure(SECRET))
    ids = {(error.extensions or {})["id"] for error in result.errors or ()}
    assert (len(result.errors or ()), len(ids)) == (3, 1)


async def test_a_refusal_keeps_its_words_and_its_code(caplog: pytest.LogCaptureFixture) -> None:
    """And names the input that it is about."""
    error = await only_error("{ missing }")
    assert error.message == "There is no such job"
    assert error.extensions == {"code": "NOT_FOUND", "field": ["input", "id"]}
    assert caplog.records == []


async def test_several_refusals_are_one_error(caplog: pytest.LogCaptureFixture) -> None:
    """With all that is wrong in it."""
    error = await only_error("{ wrong }")
    assert error.message == "Too long; Empty"
    assert error.extensions == {
        "code": "VALIDATION_FAILED",
        "refusals": [
            {"code": "VALIDATION_FAILED", "field": ["title"], "message": "Too long"},
            {"code": "VALIDATION_FAILED", "field": ["prompt"], "message": "Empty"},
        ],
    }
    assert caplog.records == []


async def test_an_error_that_has_a_code_was_meant_to_be_read() -> None:
    """Somebody decided so."""
    assert (await only_error("{ raisesCoded }")).message == "Slow down"


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        ("{", None, "GRAPHQL_PARSE_FAILED"),
        ("{" + " " * CACHEABLE_CHARACTERS, None, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", None, "GRAPHQL_VALIDATION_FAILED"),
        ("{ nothing }" + " " * CACHEABLE_CHARACTERS, None, "GRAPHQL_VALIDATION_FAILED"),
        ('{ takes(number: "one") }', None, "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { takes(number: $n) }", None, "BAD_USER_INPUT"),
        ("query($n: Int) { takes(number: $n) }", {"n": "one"}, "BAD_USER_INPUT"),
        ("query($n: Int = 1) { takes(number: $n) }", {"n": None}, "BAD_USER_INPUT"),
        ("query($n: Int = 1) { takes(numbers: [$n]) }", {"n": None}, "BAD_USER_INPUT"),
    ],
)
async def test_a_clients_mistake_is_explained_and_not_logged(
    query: str, variables: dict[str, object] | None, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even the second time, when it comes from the cache."""
    for _ in "12":
        error = await only_error(query, variables)
        assert (error.extensions or {})["code"] == code
        assert error.message != "Internal error"
    assert caplog.records == []


async def test_a_subscription_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    """From the first event to the last."""
    results = await SCHEMA.subscribe("subscription { raises }")
    first, last = [result async for result in results]
    assert first.data == {"raises": 1}
    assert [error.message for error in last.errors or ()] == ["Internal error"]
    assert len(caplog.records) == 1


async def test_a_subscription_that_cannot_be_parsed_is_a_result(caplog: pytest.LogCaptureFixture) -> None:
    """Not an exception in the hands of a transport."""
    results = await SCHEMA.subscribe("subscription {")
    (result,) = [result async for result in results]
    assert [error.extensions for error in result.errors or ()] == [{"code": "GRAPHQL_PARSE_FAILED"}]
    assert caplog.records == []


class NoRaises(ValidationRule):
    """A rule of the application's own."""

    def enter_field(self, node: FieldNode, *_: object) -> None:
        if node.name.value == "raises":
            self.report_error(GraphQLError("Not that one", node, extensions={"code": "TOO_COMPLEX"}))


async def test_the_applications_own_rules_apply() -> None:
    """With their own codes, to documents short and long."""
    rules: list[type[ASTValidationRule]] = [NoRaises]
    schema = MaskedSchema(Query, rules=rules)
    for query in ("{ raises }", "{ raises }" + " " * CACHEABLE_CHARACTERS):
        (error,) = (await schema.execute(query)).errors or []
        assert (error.message, error.extensions) == ("Not that one", {"code": "TOO_COMPLEX"})


async def test_a_document_is_parsed_and_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it comes; what is executed is the same syntax tree."""
    seen: list[tuple[object, object]] = []

    class Watched(MaskedSchema):
        def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
            assert execution_context is not None
            seen.append((execution_context.graphql_document, errors[0]))

    schema = Watched(Query)
    for _ in "12":
        await schema.execute("{ watched: nothing }")
    (first, error), (second, again) = seen
    assert first is second
    assert error is again
