"""The groups of subscribers that share streams, and the key by which subscribers belong together."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    NonNullTypeNode,
    NullValueNode,
    OperationDefinitionNode,
    VariableNode,
    Visitor,
    visit,
)
from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from execution.exact import exact
from server.transports.documents.compiled import CompiledOperations
from server.transports.documents.document_limiter import Admitted
from server.transports.documents.documents import ParsedDocument, find_operation
from server.transports.documents.params import Params
from server.transports.observation.port import NoObserver, Observer, Stream, StreamEnd
from server.transports.payloads import encode
from server.transports.rate_limiter import RateLimiter
from server.transports.shared.execution import MessageExecution
from server.transports.shared.group import Group
from server.transports.shared.member import Member, Outlet, PulledOutlet
from server.transports.shared.message import SharedMessage
from server.transports.shared.selection import selection
from server.transports.shared.source import Sharing

MOST_VERSION = 2**31 - 1
"""The largest Int of GraphQL."""


@dataclass(frozen=True, slots=True)
class SharedSubscriptions:
    """Which subscriptions are shared, and by whom."""

    core: GraphQLSchema
    sharings: Mapping[str, Sharing]
    """By the name of the root field."""
    scope: Callable[[HTTPConnection], Hashable]
    """Everything of a connection that an answer may depend on: the viewer with its rights, and the form of links."""
    validate: Callable[[ParsedDocument], Sequence[GraphQLError]]
    """Returns the errors of a document; one with errors is not shared."""
    buffered: int
    """The messages that a slow subscriber may be behind."""


@dataclass(frozen=True, slots=True)
class SharedOperation:
    """An operation that can be shared."""

    field: FieldNode
    sharing: Sharing
    position: int | str | None
    """The version after which its subscribers continue, or the variable with it."""
    needs_position: bool
    """Whether the variable must have a value, so that its absence is an error of one subscriber."""
    variables: tuple[str, ...]
    """The variables that belong to the key: all but that of the position, unless it is used elsewhere too."""
    selected: object
    """What the sharing found of the selected fields."""


class Asked(NamedTuple):
    """A subscription that can be shared."""

    key: Hashable
    after: int | None
    operation: SharedOperation
    params: Params
    connection: HTTPConnection
    caller: str
    """The key by which the rate limits count its subscribers."""
    cost: int
    parsed: ParsedDocument
    extensions: bytes | None
    """The JSON of the extensions of a subscriber's first message."""
    stream: Stream

    @property
    def field(self) -> FieldNode:
        return self.operation.field

    @property
    def sharing(self) -> Sharing:
        return self.operation.sharing


class SharedStreams:
    """The groups of one server. Subscribers of one group have sent the same document, operation, variables and
    extensions, have the same scope, and count as the same caller for the rate limits."""

    def __init__(
        self,
        schema: strawberry.Schema,
        context: Callable[[HTTPConnection], Awaitable[Any]],
        rate_limiter: RateLimiter,
        shared: SharedSubscriptions,
        compiled: CompiledOperations | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.schema = schema
        self.context = context
        self.rate_limiter = rate_limiter
        self.observer = observer or NoObserver()
        self.ring_limit = shared.buffered
        self._shared = shared
        self._compiled = compiled
        self._stopping: set[asyncio.Task[None]] = set()
        self._groups: dict[Hashable, Group] = {}

    def ask(
        self, params: Params, connection: HTTPConnection, admitted: Admitted, extensions: Mapping[str, object] | None
    ) -> Asked | None:
        """Return the subscription if it can be shared; None when it has to be executed for its subscriber alone."""
        parsed, name = admitted.parsed, params.operation_name
        if parsed is None:
            return None
        operation = parsed.derived((self, name), lambda: self._analyze(parsed, name))
        if operation is None:
            return None
        variables = params.variables or {}
        after = operation.position
        if isinstance(after, str):
            after = variables.get(after)
        if not (
            (after is None and not operation.needs_position) or (type(after) is int and 0 <= after <= MOST_VERSION)
        ):
            return None
        caller = self.rate_limiter.caller(connection)
        key = (
            params.query,
            params.operation_name,
            _canonical({name: variables[name] for name in operation.variables if name in variables}),
            _canonical(params.extensions),
            self._shared.scope(connection),
            caller,
            admitted.cost,
        )
        first = None if extensions is None else parsed.derived((self, admitted.cost), lambda: exact(encode(extensions)))
        stream = Stream(admitted.name, admitted.cost)
        return Asked(key, after, operation, params, connection, caller, admitted.cost or 1, parsed, first, stream)

    def join(self, asked: Asked, outlet: Outlet) -> Member:
        """Add a subscriber to its group."""
        group = self._group(asked)
        member = Member(group, outlet, asked.after or 0)
        self.observer.stream_started(outlet.connection, asked.stream)
        group.join(member, asked.after)
        return member

    def has_left(self, member: Member) -> None:
        """Report that the stream of a subscriber has ended."""
        end = StreamEnd(time.perf_counter() - member.began_at, member.sent, member.codes)
        self.observer.stream_ended(member.outlet.connection, member.group.asked.stream, end)

    async def messages(self, asked: Asked) -> AsyncGenerator[SharedMessage | ExecutionResult]:
        """Yield the messages of a subscriber that takes them one by one."""
        member = self.join(asked, PulledOutlet(asked.connection))
        try:
            async with aclosing(member.messages()) as messages:
                async for message in messages:
                    yield message
        finally:
            member.leave()
            await self.stopped([member])

    def stop(self, task: asyncio.Task[None]) -> None:
        """Cancel a task of a group without members."""
        if not task.done():
            task.cancel()
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def stopped(self, members: Iterable[Member]) -> None:
        """Wait until the groups that these were the last to leave have given back what they use."""
        # Not for all groups that stop: thousands of clients that disconnect together would wait for each other's.
        ending = {task for member in members for task in member.group.tasks} & self._stopping
        if ending:
            await asyncio.wait(ending)

    def rejoin(self, asked: Asked, member: Member) -> None:
        """Add a subscriber to a new group: the one that it joined has ended before it got anything."""
        member.group = self._group(asked)
        member.group.join(member, None)

    def join_alone(self, asked: Asked, member: Member) -> None:
        """Add a subscriber to a group of its own, closed to others."""
        member.group = Group(self, asked, is_alone=True)
        member.group.join(member, None)

    def forget(self, group: Group) -> None:
        """Close a group to new members."""
        if self._groups.get(group.asked.key) is group:
            del self._groups[group.asked.key]

    def execution(self, asked: Asked, context: Any) -> MessageExecution:
        """Return the execution of a group's messages. Raises InvalidVariables."""
        params, parsed = asked.params, asked.parsed
        compiled = None if self._compiled is None else self._compiled.messages(params, context, parsed)
        return MessageExecution(self.schema, self._shared.core, parsed.document, params, context, compiled)

    def _group(self, asked: Asked) -> Group:
        group = self._groups.get(asked.key)
        if group is None:
            group = self._groups[asked.key] = Group(self, asked)
        return group

    def _analyze(self, parsed: ParsedDocument, operation_name: str | None) -> SharedOperation | None:
        document = parsed.document
        operation = find_operation(document, operation_name)
        match operation.selection_set.selections:
            case [FieldNode(directives=[] | () | None) as field]:
                sharing = self._shared.sharings.get(field.name.value)
            case _:
                return None
        if sharing is None or self._shared.validate(parsed):
            return None
        found = sharing.analyze(selection(document, field))
        names = tuple(each.variable.name.value for each in operation.variable_definitions or ())
        position = next((each.value for each in field.arguments or () if each.name.value == sharing.position), None)
        match position:
            case None | NullValueNode():
                return SharedOperation(field, sharing, None, needs_position=False, variables=names, selected=found)
            case IntValueNode(value=literal):
                return SharedOperation(
                    field, sharing, int(literal), needs_position=False, variables=names, selected=found
                )
            case VariableNode(name=variable) if not _has_default(operation, variable.value):
                if _uses(document, variable.value) == 1:
                    names = tuple(name for name in names if name != variable.value)
                needed = _is_required(operation, variable.value)
                return SharedOperation(
                    field, sharing, variable.value, needs_position=needed, variables=names, selected=found
                )
            case _:
                return None


def _has_default(operation: OperationDefinitionNode, name: str) -> bool:
    definitions = operation.variable_definitions or ()
    return any(each.variable.name.value == name and each.default_value is not None for each in definitions)


def _is_required(operation: OperationDefinitionNode, name: str) -> bool:
    definitions = operation.variable_definitions or ()
    return any(each.variable.name.value == name and isinstance(each.type, NonNullTypeNode) for each in definitions)


def _uses(document: DocumentNode, name: str) -> int:
    """Return how often a variable is used, its definition not counted."""

    class Uses(Visitor):
        count = 0

        def enter_variable(self, node: VariableNode, _key: object, parent: object, *_: object) -> None:
            self.count += node.name.value == name

    uses = Uses()
    visit(document, uses)
    definitions = sum(
        each.variable.name.value == name
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        for each in definition.variable_definitions or ()
    )
    return uses.count - definitions


def _canonical(value: object) -> bytes:
    """Return JSON that is equal for equal values only: 1, 1.0 and true differ."""
    try:
        return exact(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    except TypeError:  # an integer over 64 bits
        return json.dumps(value, sort_keys=True).encode()
