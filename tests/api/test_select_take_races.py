"""selectTake beside a render that completes."""

from collections.abc import Sequence

import pytest

from models.db.database import Connection
from models.db.rows import TakeRow
from models.domain.access import Viewer
from models.reads import queries
from tests.support.factories import a_job, accepted, report
from tests.support.queries import read_scene
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_take_that_completes_while_it_is_selected_is_judged_by_its_new_status(
    shared: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The take is read again under the lock of its job: the first read found it processing."""
    made = await a_job(shared, "A kite")
    await report(shared, made.scenes[0], "PROCESSING")
    take_id = (await read_scene(shared, made.scenes[0], "currentTake { id }"))["currentTake"]["id"]
    takes_by_id = queries.takes_by_id
    complete = [report(shared, made.scenes[0], "COMPLETED")]

    async def completes_after_the_first_read(
        connection: Connection, viewer: Viewer, take_ids: Sequence[str]
    ) -> dict[str, TakeRow]:
        found = await takes_by_id(connection, viewer, take_ids)
        if complete:
            await complete.pop()
        return found

    monkeypatch.setattr(queries, "takes_by_id", completes_after_the_first_read)
    await accepted(shared, "selectTake", "scene { id }", takeId=take_id)
    assert complete == []
