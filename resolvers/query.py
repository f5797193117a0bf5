"""The queries of jobs, scenes, the caller and the server."""

from collections.abc import Sequence
from typing import Any, cast

import strawberry

from execution.relations import Selected
from models.db.rows import JobRow, SceneRow
from models.domain import ids, paging
from models.reads import listing
from schema.catalogue import Model, fitting_models, model_query
from schema.context import Context, Info
from schema.enums import InputRole
from schema.inputs import given
from schema.job_inputs import JobFilter, JobOrder, job_query
from schema.narrow import JOBS, SCENES, with_columns
from schema.nodes import Node, page_info
from schema.relations import Arguments, LazyConnection, Parents, by_argument, relation, rows
from schema.server_info import ServerInfo, Viewer
from schema.settings import RenderSettingsInput
from schema.types import Job, JobConnection, JobEdge, Scene, as_job, as_scene
from schema.versions import FROM_ROWS


def job_window(
    *,
    first: int | None = strawberry.UNSET,
    after: str | None = strawberry.UNSET,
    last: int | None = strawberry.UNSET,
    before: str | None = strawberry.UNSET,
) -> paging.Window:
    """Return the window of the arguments of `Query.jobs`. Raises Invalid."""
    return paging.window(first=given(first), after=given(after), last=given(last), before=given(before))


async def load_jobs(context: Context, parents: Parents, arguments: Arguments, selected: Selected) -> Sequence[Any]:
    """Read `Query.jobs`."""
    window = job_window(**{name: arguments[name] for name in PAGE_ARGUMENTS if name in arguments})
    query = job_query(
        given(arguments.get("filter", strawberry.UNSET)),
        given(arguments.get("order_by", strawberry.UNSET)),
        include_deleted=arguments.get("include_deleted", False),
    )
    source, viewer = context.loaders.narrow.source, context.viewer
    if selected.columns:
        if selected.is_only_read and window.after is None and window.before is None:
            # With a cursor, a second statement looks beyond it.
            source = source._replace(fetch=context.snapshot.fetch_alone)
        columns = with_columns(selected.columns, "id", query.order.value.lower())
        key = listing.narrow_job_key(query, columns)
        page: paging.Page[Any] = await listing.narrow_jobs_page(source, viewer, query, window, columns)
    else:
        key = query.key
        async with context.snapshot.read() as connection:
            page = await listing.jobs_page(connection, viewer, query, window)
    return [LazyConnection(page, key, query)] * len(parents)


async def load_scene(context: Context, parents: Parents, arguments: Arguments, selected: Selected) -> Sequence[Any]:
    """Read `Query.scene`."""
    needed = selected._replace(columns=with_columns(selected.columns, "job_id") if selected.columns else ())
    (row,) = await rows(context, SCENES, [arguments["id"]], needed)
    if row is None:
        return [None] * len(parents)
    of_job: str = row[needed.columns.index("job_id")] if needed.columns else row.job_id
    wrong = given(arguments.get("job_id", strawberry.UNSET)) not in (None, of_job)
    return [None if wrong else row] * len(parents)


PAGE_ARGUMENTS = ("first", "after", "last", "before")


@strawberry.type
class CoreQuery:
    """The part of Query about jobs, scenes, the caller and the server."""

    @strawberry.field(description="Any object by its id; null when it does not exist or is not visible to the caller.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        loaders = info.context.loaders
        match ids.prefix_of(id):
            case "job":
                found = await loaders.job.load(id)
            case "scene":
                found = await loaders.scene.load(id)
            case "take":
                found = await loaders.take.load(id)
            case "asset":
                found = await loaders.asset.load(id)
            case "webhook":
                found = await loaders.webhook.load(id)
            case "delivery":
                found = await loaders.delivery.load(id)
            case "worker":
                found = await loaders.worker.load(id)
            case "token":
                found = await loaders.token.load(id)
            case _:
                found = None
        return cast("Node | None", found)

    @strawberry.field(
        description="One job; null when it does not exist or is not visible to the caller.",
        metadata=FROM_ROWS | relation((), by_argument(JOBS), JobRow, computes=True),
    )
    async def job(self, info: Info, id: strawberry.ID) -> Job | None:
        row = await info.context.loaders.job.load(id)
        return None if row is None else as_job(row)

    @strawberry.field(
        description="A page of the jobs that are visible to the caller.",
        metadata=FROM_ROWS | relation((), load_jobs, JobRow, "nodes", "edges.node"),
    )
    async def jobs(
        self,
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
        filter: JobFilter | None = strawberry.UNSET,
        order_by: JobOrder | None = strawberry.UNSET,
        include_deleted: bool = False,
    ) -> JobConnection:
        context = info.context
        window = paging.window(first=given(first), after=given(after), last=given(last), before=given(before))
        query = job_query(given(filter), given(order_by), include_deleted=include_deleted)
        async with context.snapshot.read() as connection:
            page = await listing.jobs_page(connection, context.viewer, query, window)
        edges = [JobEdge(cursor=paging.encode(query.key(row)), node=as_job(row)) for row in page.items]
        return JobConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=page_info(page, [edge.cursor for edge in edges]),
            query=query,
        )

    @strawberry.field(
        description="One scene; null when it is not visible to the caller or, with jobId, belongs to another job.",
        metadata=FROM_ROWS | relation((), load_scene, SceneRow),
    )
    async def scene(
        self,
        info: Info,
        id: strawberry.ID,
        job_id: strawberry.ID | None = strawberry.UNSET,
    ) -> Scene | None:
        row = await info.context.loaders.scene.load(id)
        if row is None or given(job_id) not in (None, row.job_id):
            return None
        return as_scene(row)

    @strawberry.field(
        description=(
            "Models of the configured providers, the default model of each first; with fits and roles, only models "
            "that support all of them."
        )
    )
    async def models(
        self,
        info: Info,
        provider: str | None = strawberry.UNSET,
        fits: RenderSettingsInput | None = strawberry.UNSET,
        roles: list[InputRole] | None = strawberry.UNSET,
    ) -> list[Model]:
        # First, since the catalogue is rarely waited for: errors come in the same order each time.
        query = model_query(given(fits), given(roles))
        found = await info.context.coordinator.catalogue.read()
        return fitting_models(found, given(provider), query)

    @strawberry.field(description="The authenticated principal of the request.")
    def viewer(self, info: Info) -> Viewer:
        viewer = info.context.viewer
        return Viewer(id=strawberry.ID(viewer.id), name=viewer.name, roles=list(viewer.roles))

    @strawberry.field(description="Version and configuration of the server.")
    def server_info(self, info: Info) -> ServerInfo:
        facts = info.context.facts
        return ServerInfo(
            version=facts.version,
            mode=facts.mode,
            providers=info.context.coordinator.providers,
            event_retention_seconds=facts.event_retention_seconds,
            recovery_window_seconds=facts.recovery_window_seconds,
        )
