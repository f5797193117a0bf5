"""Reads by id that share a statement: which do, what each is given, and what happens when one is cancelled or fails."""

import asyncio
from collections.abc import Iterable, Sequence
from unittest.mock import patch

import pytest

from models.db import shared_reads
from models.db.shared_reads import AT_ONCE, MOST_IDS, Found, SharedReads
from models.db.statements import Row, Statement, Values
from models.reads import shapes
from tests.support.waiting import eventually

STATEMENT = shapes.heads("postgresql", one=False)
ANN, BOB = {"viewer": "ann"}, {"viewer": "bob"}


class Database:
    """A database whose statements end when the test says so. Each id has a row, whose second column is the viewer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.reads = SharedReads(self._fetch)

    async def _fetch(self, _statement: Statement, values: Values) -> Sequence[Row]:
        self.asked.append((values["viewer"], values["ids"]))
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return [(each, values["viewer"]) for each in values["ids"]]

    def read(self, *ids: str, values: dict[str, str] = ANN) -> asyncio.Task[Found]:
        """Begin a read."""
        return asyncio.create_task(self.reads.rows(STATEMENT, ids, values, 0))

    async def is_asked(self, times: int) -> None:
        """Wait until so many statements were executed."""
        await eventually(lambda: len(self.asked) == times)


def answered(found: Iterable[Found], *ids: str, viewer: str = "ann") -> None:
    """Check the rows of a read for each id."""
    assert [rows[each] for rows, each in zip(found, ids, strict=True)] == [(each, viewer) for each in ids]


async def test_reads_that_arrive_together_share_a_statement() -> None:
    """And each finds its row; an id that two of them want is asked for once."""
    database = Database()
    reads = [database.read(each) for each in ("a", "b", "a")]
    await database.is_asked(1)
    database.answers[0].set_result(None)
    answered(await asyncio.gather(*reads), "a", "b", "a")
    assert database.asked == [("ann", ["a", "b"])]


async def test_viewers_share_nothing() -> None:
    """Each has a statement of its own, with the rows of its own scope."""
    database = Database()
    of_ann, of_bob = database.read("a"), database.read("a", values=BOB)
    await database.is_asked(2)
    for each in database.answers:
        each.set_result(None)
    answered([await of_ann], "a")
    answered([await of_bob], "a", viewer="bob")
    assert sorted(database.asked) == [("ann", ["a"]), ("bob", ["a"])]


async def test_read_joins_no_statement_that_was_executed() -> None:
    """It has to show what was committed before it began."""
    database = Database()
    first = database.read("a")
    await database.is_asked(1)
    second = database.read("a")
    await database.is_asked(2)
    database.answers[1].set_result(None)
    answered([await second], "a")
    assert not first.done()
    database.answers[0].set_result(None)
    answered([await first], "a")


async def test_reads_wait_while_statements_are_on_their_way() -> None:
    """Those that arrive meanwhile share the next statement, which begins when one has ended."""
    with patch.object(shared_reads, "LONGEST_WAIT_SECONDS", 1_000.0):
        database = Database()
        running: list[asyncio.Task[Found]] = []
        for number in range(AT_ONCE):
            running.append(database.read(f"{number}"))
            await database.is_asked(number + 1)
        waiting = [database.read(each) for each in ("a", "b")]
        await asyncio.sleep(0)
        later = database.read("c")
        database.answers[0].set_result(None)
        await database.is_asked(AT_ONCE + 1)
        assert database.asked[-1] == ("ann", ["a", "b", "c"])
        for each in database.answers[1:]:
            each.set_result(None)
        answered(await asyncio.gather(*waiting, later), "a", "b", "c")
        answered(await asyncio.gather(*running), *map(str, range(AT_ONCE)))


async def test_statement_without_an_answer_delays_others_for_a_short_time_only() -> None:
    """They are executed although none has ended."""
    database = Database()
    running: list[asyncio.Task[Found]] = []
    for number in range(AT_ONCE + 2):
        running.append(database.read(f"{number}"))
        await database.is_asked(number + 1)
    for each in database.answers:
        each.set_result(None)
    answered(await asyncio.gather(*running), *map(str, range(AT_ONCE + 2)))


@pytest.mark.parametrize("executed", [False, True])
async def test_others_are_answered_when_the_first_of_them_is_cancelled(*, executed: bool) -> None:
    """Before and after its statement was executed; another one executes it then."""
    database = Database()
    first, second, third = (database.read(each) for each in ("a", "b", "c"))
    await (database.is_asked(1) if executed else asyncio.sleep(0))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await eventually(lambda: database.asked[-1:] == [("ann", ["b", "c"])])
    database.answers[-1].set_result(None)
    answered(await asyncio.gather(second, third), "b", "c")


class Losing(Database):
    """A database that loses the connection of a statement that is cancelled."""

    async def _fetch(self, _statement: Statement, values: Values) -> Sequence[Row]:
        try:
            return await super()._fetch(_statement, values)
        except asyncio.CancelledError as error:  # cancellation: replaced by an error, as some drivers do
            raise ConnectionResetError("lost") from error


async def test_error_after_a_cancellation_fails_no_others() -> None:
    """Another one executes the statement again."""
    database = Losing()
    first, second = database.read("a"), database.read("b")
    await database.is_asked(1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await eventually(lambda: database.asked[-1:] == [("ann", ["b"])])
    database.answers[-1].set_result(None)
    answered([await second], "b")


async def test_others_are_answered_when_another_one_is_cancelled() -> None:
    """The statement goes on."""
    database = Database()
    first, second, third = (database.read(each) for each in ("a", "b", "c"))
    await database.is_asked(1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    database.answers[0].set_result(None)
    answered(await asyncio.gather(first, third), "a", "c")
    assert len(database.asked) == 1


async def test_error_fails_the_reads_that_share_the_statement_and_no_others() -> None:
    """The next read asks again."""
    database = Database()
    failing = [database.read(each) for each in ("a", "b")]
    await database.is_asked(1)
    database.answers[0].set_exception(ConnectionResetError("lost"))
    outcomes = await asyncio.gather(*failing, return_exceptions=True)
    assert [repr(each) for each in outcomes] == ["ConnectionResetError('lost')"] * 2
    after = database.read("a")
    await database.is_asked(2)
    database.answers[1].set_result(None)
    answered([await after], "a")


async def test_number_of_ids_of_a_statement_is_bounded() -> None:
    """What is beyond it is read by itself."""
    database = Database()
    many = database.read(*(f"{number}" for number in range(MOST_IDS)))
    more = database.read("more")
    await database.is_asked(2)
    for each in database.answers:
        each.set_result(None)
    assert len(await many) == MOST_IDS
    answered([await more], "more")
