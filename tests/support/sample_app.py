"""A small schema that does all that a transport must cope with, and a probe that sees what it does."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import strawberry
from fastapi import FastAPI
from graphql import GraphQLError
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse

from models.domain.errors import DomainErrors, Invalid, NotFound
from server.graphql.masking import MaskedSchema
from server.transports.closing import CloseCode, CloseConnection
from server.transports.connections.registry import Connections
from server.transports.documents.persisted import PersistedDocuments, RegisteredDocuments, TrustedDocuments
from server.transports.limits import TransportLimits
from server.transports.router import graphql_endpoints, graphql_router
from server.transports.short_path.kept_heads import Renewal
from server.transports.websocket.on_init import OnInit
from tests.support.waiting import TIMEOUT_SECONDS

TRUSTED = {
    "hello-v1": "query Hello($name: String!) { hello(name: $name) }",
    "count-v1": "subscription { count(to: 2) }",
}
SECRET = "the password is swordfish"


class Probe:
    """What the resolvers did, awaitable."""

    def __init__(self) -> None:
        self.live = 0
        self.yielded = 0
        self.contexts = 0
        self.written: list[str] = []
        self.release = asyncio.Event()
        self.revoke = asyncio.Event()
        self._change = asyncio.Event()

    async def until(self, *, live: int | None = None, written: int | None = None, contexts: int | None = None) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (
                live not in (None, self.live)
                or written not in (None, len(self.written))
                or contexts not in (None, self.contexts)
            ):
                await self._change.wait()

    @contextmanager
    def alive(self) -> Generator[None]:
        self.live += 1
        self._changed()
        try:
            yield
        finally:
            self.live -= 1
            self._changed()

    def count_context(self) -> None:
        self.contexts += 1
        self._changed()

    def write(self, value: str) -> None:
        self.written.append(value)
        self._changed()

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()


@dataclass
class Context:
    probe: Probe
    connection: HTTPConnection
    more_follow: bool = False
    refusals: Sequence[str] = ()

    @asynccontextmanager
    async def answering(self, cost: int) -> AsyncGenerator[None]:
        yield

    async def answered(self) -> None: ...


Info = strawberry.Info[Context, None]


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        return f"Hello {name}"

    @strawberry.field
    def big(self) -> strawberry.scalars.JSON:
        return strawberry.scalars.JSON(2**70)

    @strawberry.field
    def unwritable(self) -> strawberry.scalars.JSON:
        return strawberry.scalars.JSON(object())

    @strawberry.field
    def viewer(self, info: Info) -> str | None:
        return getattr(info.context.connection.state, "viewer", None)

    @strawberry.field
    async def held(self, info: Info) -> str:
        """Waits until the probe releases it."""
        with info.context.probe.alive():
            await info.context.probe.release.wait()
        return "released"

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError(SECRET)

    @strawberry.field
    def fatal(self) -> str:
        raise RuntimeError(SECRET)

    @strawberry.field
    def spoken(self) -> str | None:
        """Raise a GraphQLError without a code: its message is not meant for clients."""
        raise GraphQLError(SECRET)

    @strawberry.field
    def missing(self) -> str | None:
        raise NotFound("There is no such job", ["id"], "job_1")

    @strawberry.field
    def refused(self) -> str | None:
        raise DomainErrors([Invalid("Too long", ["input", "title"]), Invalid("Empty", ["input", "prompt"])])


@strawberry.type
class Mutation:
    @strawberry.mutation
    def write(self, info: Info, value: str) -> str:
        info.context.probe.write(value)
        return value

    @strawberry.mutation
    async def write_slowly(self, info: Info, value: str) -> str:
        with info.context.probe.alive():
            await info.context.probe.release.wait()
            info.context.probe.write(value)
        return value


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: Info, to: int) -> AsyncGenerator[int]:
        with info.context.probe.alive():
            for number in range(1, to + 1):
                yield number

    @strawberry.subscription
    async def forever(self, info: Info) -> AsyncGenerator[int]:
        """One value, then silence."""
        with info.context.probe.alive():
            yield 1
            await asyncio.Event().wait()

    @strawberry.subscription
    async def flood(self, info: Info, characters: int = 10_000) -> AsyncGenerator[str]:
        with info.context.probe.alive():
            while True:
                info.context.probe.yielded += 1
                yield "x" * characters
                await asyncio.sleep(0)

    @strawberry.subscription
    async def failing(self, info: Info) -> AsyncGenerator[int]:
        with info.context.probe.alive():
            yield 1
            raise RuntimeError(SECRET)

    @strawberry.subscription
    async def unbegun(self, info: Info) -> AsyncGenerator[int]:
        raise NotFound("There is no such job", ["jobId"], "job_1")
        yield 1

    @strawberry.subscription
    async def reluctant(self, info: Info) -> AsyncGenerator[int]:
        """Takes its time to clean up."""
        with info.context.probe.alive():
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                await info.context.probe.release.wait()

    @strawberry.subscription
    async def revoked(self, info: Info) -> AsyncGenerator[int]:
        with info.context.probe.alive():
            yield 1
            await info.context.probe.revoke.wait()
            raise CloseConnection(CloseCode.FORBIDDEN, "Token expired")


SCHEMA = MaskedSchema(Query, Mutation, Subscription)


@dataclass
class Sample:
    """An application with the transports in it."""

    limits: TransportLimits = field(default_factory=TransportLimits)
    on_init: OnInit | None = None
    get_queries: bool = True
    schema: strawberry.Schema = SCHEMA
    prefix: str = ""
    documents: PersistedDocuments = field(
        default_factory=lambda: PersistedDocuments(TrustedDocuments(TRUSTED), RegisteredDocuments(100))
    )
    probe: Probe = field(default_factory=Probe)
    connections: Connections = field(default_factory=Connections)
    renewal: Renewal | None = None
    """With one, requests whose head is known are recognised."""

    def app(self) -> FastAPI:
        app = FastAPI()
        endpoints = graphql_endpoints(
            self.schema,
            context=self.context,
            on_init=self.on_init,
            connections=self.connections,
            limits=self.limits,
            documents=self.documents,
            get_queries=self.get_queries,
            explorer=self.explorer,
            renewal=self.renewal,
        )
        app.include_router(graphql_router(endpoints), prefix=self.prefix)
        return app

    async def context(self, connection: HTTPConnection) -> Context:
        self.probe.count_context()
        match connection.headers.get("x-caller"):
            case "unknown":
                raise CloseConnection(CloseCode.UNAUTHORIZED, "Unknown caller")
            case "broken":
                raise RuntimeError(SECRET)
            case _:
                return Context(self.probe, connection)

    def explorer(self, request: Request) -> HTMLResponse:
        return HTMLResponse("<title>Explorer</title>")
