"""Errors of the schema: masked, or explained to the client."""

import enum
from collections.abc import AsyncGenerator

import pytest
import strawberry
from graphql import ASTValidationRule, FieldNode, GraphQLError, ValidationRule
from strawberry.types import ExecutionContext

from models.domain.errors import DomainErrors, Invalid, NotFound
from server.graphql.masking import MaskedSchema
from server.transports.documents.documents import CACHEABLE_CHARACTERS

SECRET = "the password is swordfish"


class Hue(enum.Enum):
    RED = "red"


strawberry.enum(Hue)


class Failure(RuntimeError):
    """An error that several fields share."""


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
    """Not reachable from the schema."""


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
async def test_unexpected_error_of_a_field_is_masked(field: str, caplog: pytest.LogCaptureFixture) -> None:
    """Logged once with its traceback; the client receives the id of the log record."""
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


async def test_error_shared_by_many_fields_is_logged_once() -> None:
    """A loader fails once for all fields that wait for it."""
    result = await SCHEMA.execute("{ things { shared } }", context_value=Failure(SECRET))
    ids = {(error.extensions or {})["id"] for error in result.errors or ()}
    assert (len(result.errors or ()), len(ids)) == (3, 1)


async def test_domain_error_keeps_its_message_and_code(caplog: pytest.LogCaptureFixture) -> None:
    """It names the rejected input."""
    error = await only_error("{ missing }")
    assert error.message == "There is no such job"
    assert error.extensions == {"code": "NOT_FOUND", "field": ["input", "id"]}
    assert caplog.records == []


async def test_several_domain_errors_are_one_graphql_error(caplog: pytest.LogCaptureFixture) -> None:
    """Its extensions hold all of them."""
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


async def test_graphql_error_with_a_code_is_not_masked() -> None:
    """The code marks it as intended for the client."""
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
async def test_request_error_is_explained_and_not_logged(
    query: str, variables: dict[str, object] | None, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also the second time, from the cache."""
    for _ in "12":
        error = await only_error(query, variables)
        assert (error.extensions or {})["code"] == code
        assert error.message != "Internal error"
    assert caplog.records == []


async def test_error_of_a_subscription_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    """From the first event to the last."""
    results = await SCHEMA.subscribe("subscription { raises }")
    first, last = [result async for result in results]
    assert first.data == {"raises": 1}
    assert [error.message for error in last.errors or ()] == ["Internal error"]
    assert len(caplog.records) == 1


async def test_subscription_that_cannot_be_parsed_is_a_result(caplog: pytest.LogCaptureFixture) -> None:
    """Not an exception in the transport."""
    results = await SCHEMA.subscribe("subscription {")
    (result,) = [result async for result in results]
    assert [error.extensions for error in result.errors or ()] == [{"code": "GRAPHQL_PARSE_FAILED"}]
    assert caplog.records == []


class NoRaises(ValidationRule):
    """A rule of the application."""

    def enter_field(self, node: FieldNode, *_: object) -> None:
        if node.name.value == "raises":
            self.report_error(GraphQLError("Not that one", node, extensions={"code": "TOO_COMPLEX"}))


async def test_validation_rules_of_the_application_apply() -> None:
    """With their own codes, to cached and uncached documents."""
    rules: list[type[ASTValidationRule]] = [NoRaises]
    schema = MaskedSchema(Query, rules=rules)
    for query in ("{ raises }", "{ raises }" + " " * CACHEABLE_CHARACTERS):
        (error,) = (await schema.execute(query)).errors or []
        assert (error.message, error.extensions) == ("Not that one", {"code": "TOO_COMPLEX"})


async def test_document_is_parsed_and_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is sent; the same syntax tree is executed."""
    seen: list[tuple[object, object]] = []

    class Recording(MaskedSchema):
        def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
            assert execution_context is not None
            seen.append((execution_context.graphql_document, errors[0]))

    schema = Recording(Query)
    for _ in "12":
        await schema.execute("{ watched: nothing }")
    (first, error), (second, again) = seen
    assert first is second
    assert error is again
