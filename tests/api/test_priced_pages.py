"""The cost of a document against the rows that its execution asks for, however the numbers are written."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.domain import paging
from models.domain.paging import Window
from tests.support import jobs
from tests.support.client import Json
from tests.support.property_settings import MODEST, scaled
from tests.support.server_app import App, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 101
SPELLINGS: list[Callable[[int], str]] = [
    str,
    lambda number: f"{number}.0",
    lambda number: f"{number}e0",
    lambda number: f"{number}0E-1",
    lambda number: f"{number / 10}e+1",
    lambda number: f"{number / 100}e2",
    lambda number: f"{number}.000000000000000000001",
]
NO_NUMBERS = [
    "null",
    "true",
    "false",
    '"100"',
    '"100.0"',
    "[100]",
    '{"n": 100}',
    "1.5",
    "-0.0",
    "1e20",
    "1e300",
    "9e15",
]


def spelled(spell: Callable[[int], str], number: int) -> str:
    return spell(number)


numbers = st.builds(spelled, st.sampled_from(SPELLINGS), st.integers(-1, 102)) | st.sampled_from(NO_NUMBERS)
names: st.SearchStrategy[str] = st.sampled_from(("first", "last"))


@dataclass(frozen=True)
class Paged:
    """A list, the cost of a document that reads it without its rows, and the size of its page without an argument."""

    document: str
    cost: int
    default: int
    rows_per_item: int = 1
    arguments: tuple[str, ...] = ("first",)


BOTH = ("first", "last")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lists(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[App, list[Paged]]]:
    """A server with more rows than a page has, and its lists; ARGUMENTS is where their arguments go."""
    # A job that is kept is not read again.
    async with running(tmp_path_factory.mktemp("priced"), limit_cost=1_000_000, fragment_cache_bytes=0) as app:
        made = await jobs.make(app, *[jobs.scene()] * ROWS)
        create = "mutation {" + "".join(f' a{n}: createJob(input: {{title: "x"}}) {{ job {{ id }} }}' for n in range(4))
        for _ in range(ROWS // 4 + 1):
            await app.execute(create + "}")
        url = {"url": "http://127.0.0.1/hook", "events": ["JOB_CREATED"], "jobId": made.id}
        await app.mutate("createWebhook", "webhook { id }", **url)
        job, scene = f'job(id: "{made.id}")', f'scene(id: "{made.scenes[0]}")'
        yield (
            app,
            [
                Paged("{ jobs ARGUMENTS { nodes { id } } }", 1, 20, 1, BOTH),
                Paged("{ jobs ARGUMENTS { edges { node { id } } } }", 1, 20, 2, BOTH),
                Paged("{ ...Q } fragment Q on Query { jobs ARGUMENTS { ... { nodes { id } } } }", 1, 20, 1, BOTH),
                Paged("{ jobs ARGUMENTS { nodes { job: progress { total } id } } }", 1, 20, 6, BOTH),
                Paged(f"{{ {job} {{ scenes ARGUMENTS {{ nodes {{ id }} }} }} }}", 2, ROWS, 1, BOTH),
                Paged(f"{{ {job} {{ events ARGUMENTS {{ version }} }} }}", 1, 100),
                Paged(f"{{ {scene} {{ takes ARGUMENTS {{ id }} }} }}", 1, 20),
            ],
        )


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """The windows of all lists that the resolvers read."""
    read: list[Window] = []
    window = paging.window

    def recorded(**arguments: Any) -> Window:
        read.append(window(**arguments))
        return read[-1]

    monkeypatch.setattr(paging, "window", recorded)
    return read


@dataclass(frozen=True)
class Written:
    """Where the numbers of a document stand: as literals, in variables, or in the defaults of variables."""

    arguments: dict[str, str]
    places: dict[str, str]
    kind: str

    def request(self, paged: Paged) -> str:
        """Return the body of the request: JSON whose numbers are spelled as they are."""
        used = {name: text for name, text in self.arguments.items() if name in paged.arguments}
        values: list[str] = []
        declared: list[str] = []
        given_: list[str] = []
        for name, text in used.items():
            place = self.places[name]
            values.append(f"{name}: {text if place == 'literal' else f'${name}'}")
            if place != "literal":
                default = f" = {text}" if place == "default" else " = 3" if place == "variable over default" else ""
                declared.append(f"${name}: {self.kind}{default}")
            if place.startswith("variable"):
                given_.append(f"{json.dumps(name)}: {text}")
        arguments = f"({', '.join(values)})" if values else ""
        head = f"query({', '.join(declared)}) " if declared else ""
        query = head + paged.document.replace("ARGUMENTS", arguments)
        return f'{{"query": {json.dumps(query)}, "variables": {{{", ".join(given_)}}}}}'


places = st.sampled_from(["literal", "variable", "variable over default", "default", "absent"])
written = st.builds(
    Written,
    st.dictionaries(names, numbers, max_size=2),
    st.fixed_dictionaries(dict.fromkeys(BOTH, places)),
    st.sampled_from(["Int", "Int", "Int!"]),
)


async def answer_to(app: App, body: str) -> Json:
    headers = {"content-type": "application/json"}
    return (await app.http.post("/graphql", content=body, headers=headers)).json()


def rows_of(data: Json) -> int:
    """Count the items of the only list in the data."""
    value: Any = data
    while isinstance(value, dict):
        (value,) = cast("Json", value).values()
    return len(value)


@settings(
    MODEST,
    max_examples=scaled(200),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(number=st.integers(0, 6), how=written)
async def test_price_of_a_page_covers_the_rows_that_are_read(
    lists: tuple[App, list[Paged]], windows: list[Window], number: int, how: Written
) -> None:
    """For any document, variables and defaults, the executed page sizes are the priced ones, or nothing is executed."""
    app, every = lists
    paged = every[number]
    windows.clear()
    answer = await answer_to(app, how.request(paged))
    if answer.get("data") is None or "errors" in answer:
        assert windows == []
        return
    (window,) = windows
    unpaged = paged.default == ROWS and window.limit is None  # documented: the scenes of a job count as one page
    size = 20 if unpaged else paged.default if window.limit is None else window.limit
    assert answer["extensions"]["cost"]["requested"] == paged.cost + size * paged.rows_per_item
    assert rows_of(answer["data"]) <= (ROWS if unpaged else size)


@pytest.mark.parametrize("text", ["100", "100.0", "1e2", "1000E-1", "100.000", "0.1e3"])
@pytest.mark.parametrize("name", ["first", "last"])
async def test_each_spelling_of_a_number_is_priced_and_read_alike(
    lists: tuple[App, list[Paged]], text: str, name: str
) -> None:
    """In JSON such spellings are the same number; the cost of nested lists multiplies."""
    app, _ = lists
    query = f"query($n: Int = 1) {{ jobs({name}: $n) {{ nodes {{ scenes(first: $n) {{ nodes {{ id }} }} }} }} }}"
    answer = await answer_to(app, f'{{"query": {json.dumps(query)}, "variables": {{"n": {text}}}}}')
    assert answer["extensions"]["cost"]["requested"] == 1 + 100 * (1 + 1 + 100)
    assert len(answer["data"]["jobs"]["nodes"]) == 100
