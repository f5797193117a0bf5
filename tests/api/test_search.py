"""JobFilter.search: a part of the title, in any case, on both databases alike."""

import unicodedata
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.db.tables import JOB
from models.domain.folding import folded_title
from models.domain.rules import TITLE_CHARACTERS, Problems
from models.writes.titles import fold_missing
from tests.support import jobs
from tests.support.database_choice import database_choice
from tests.support.factories import a_job
from tests.support.latest_values import values_until
from tests.support.property_settings import MODEST, scaled
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

FOUND = """query($search: String!) {
    jobs(first: 100, filter: {search: $search}) { totalCount nodes { id title } }
}"""
NEWEST = "query($search: String!) { jobs(first: 1, filter: {search: $search}) { nodes { title } } }"
STREAM = "subscription($search: String!) { value: jobsUpdated(filter: {search: $search}) { id title } }"

CASES: list[Callable[[str], str]] = [str, str.upper, str.lower, str.title, str.swapcase, str.casefold]
FORMS: list[Callable[[str], str]] = [
    str,
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: unicodedata.normalize("NFD", text),
]
# Letters whose case mappings are longer, shorter or depend on the place, and marks in any order; wildcards of LIKE, and
# those of GLOB between texts of one to four bytes.
SPECIAL = "ΣσςßẞİıIiŉǰΐΰᾳᾼͅ\u0307\u0323\u0301\u0302ﬁſKÅΩꭰᏸეႠdžǅ𐐀𐐨%_\\/ ộé" + "*?[]^日本語\"'"


def _allowed(title: str) -> bool:
    problems = Problems()
    problems.title(title, ["title"], required=True)
    return not problems.found


titles = st.text(st.sampled_from(SPECIAL) | st.characters(), min_size=1, max_size=20).filter(_allowed)


async def found(app: App, search: str) -> set[str]:
    """Return the ids of the jobs that a search finds; their count must match."""
    answer = (await app.execute(FOUND, search=search))["jobs"]
    assert answer["totalCount"] == len(answer["nodes"])
    return {node["id"] for node in answer["nodes"]}


@pytest.mark.parametrize(
    ("title", "search"),
    [
        ("ΟΔΟΣ", "ΟΔΟΣ"),
        ("ΟΔΟΣΗΜΑ", "ΟΔΟΣ"),
        ("οδοσήμανση", "ΟΔΟΣ"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("GROẞ", "gross"),
        ("İstanbul", "istanbul"),
        ("İstanbul", "İSTANBUL"),
        ("ISPARTA", "ısparta"),
        ("Diyarbakır", "DIYARBAKIR"),
        ("Café", "CAFE\u0301"),
        ("Cafe\u0301", "CAFÉ"),
        ("một", "MO\u0302\u0323T"),
        ("mo\u0302\u0323t", "MỘT"),
        ("ᾳδης", "ΑΙΔΗΣ"),
        ("ოქრო", "ᲝᲥᲠᲝ"),
        ("ﬁnal", "FINAL"),
    ],
    ids=[
        *("final_sigma", "final_sigma_inside", "accent_after_the_part", "sharp_s", "double_s", "capital_sharp_s"),
        *("dotted_capital_i", "dotted_i_of_both", "dotless_small_i", "dotless_small_i_in_title"),
        *("decomposed_search", "decomposed_title", "marks_in_another_order", "marks_of_title_in_another_order"),
        *("iota_subscript", "georgian", "ligature"),
    ],
)
async def test_search_ignores_case_by_unicode_folding(shared: App, title: str, search: str) -> None:
    """Covers final sigma, sharp s, the i of Turkish, composed and decomposed letters."""
    made = await a_job(shared, title=f"«{title}»")
    assert made.id in await found(shared, search)


@pytest.mark.parametrize(
    ("title", "search"),
    [("Cafe", "Café"), ("oso", "oſſo"), ("a%b", "a_b"), ("a.b", "a%b")],
    ids=["accent", "two_letters", "underscore", "percent"],
)
async def test_search_does_not_find_other_letters(shared: App, title: str, search: str) -> None:
    """Accents count, and wildcards of SQL are ordinary characters."""
    made = await a_job(shared, title=title)
    assert made.id not in await found(shared, search)


@pytest.mark.parametrize("wildcard", ["*", "?", "[", "[]", "[^", "]"])
async def test_search_finds_short_parts_beside_a_wildcard(shared: App, wildcard: str) -> None:
    """One character of several bytes, which SQLite's index of three characters takes for three, and a longer part."""
    title = f"日{wildcard}本語テスト"
    made = await a_job(shared, title=title)
    for search in (title, f"日{wildcard}本", f"{wildcard}本語テスト"):
        assert made.id in await found(shared, search), search
        assert made.id not in await found(shared, search.replace("本", "木")), search


@settings(MODEST, max_examples=scaled(20), suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(title=titles, data=st.data())
async def test_search_finds_every_part_of_a_title_in_every_case(shared: App, title: str, data: st.DataObject) -> None:
    """For random letters of many scripts, in composed and decomposed form."""
    await a_job(shared, title=title)
    start = data.draw(st.integers(0, len(title) - 1))
    part = title[start : data.draw(st.integers(start + 1, len(title)))]
    for search in {case(form(part)) for case in CASES for form in FORMS}:
        # The dot of a dotted i alone is no part of it.
        if len(search) <= TITLE_CHARACTERS and not search.startswith("\u0307"):
            nodes = (await shared.execute(NEWEST, search=search))["jobs"]["nodes"]
            assert nodes == [{"title": title}], ascii((title, search))


async def test_search_finds_the_new_title_of_a_renamed_job(shared: App) -> None:
    """Also after a rename that changes only the case."""
    made = await a_job(shared, title="Straße 1")
    for title in ("ΟΔΟΣ 7", "οδος 7"):
        await jobs.retitle(shared, made.id, title)
        assert made.id in await found(shared, "ΟΔΟΣ 7")
        assert made.id not in await found(shared, "STRASSE 1")


async def test_search_finds_jobs_that_an_older_process_writes(shared: App) -> None:
    """Inserts and updates of an older process leave the folding out, and the next housekeeping adds it."""
    made = await a_job(shared, title="Before")
    store = shared.container.store
    async with store.write() as connection:
        folding = {} if database_choice.distributed else {"title_folded": None}
        await connection.execute(sa.update(JOB).where(JOB.c.id == made.id).values(title="Αfter 8", **folding))
    assert made.id in await found(shared, "ΑFTER 8")
    assert made.id not in await found(shared, "before")
    # The housekeeping of the server may be the first to fold it.
    await fold_missing(store.database)
    async with store.read() as connection:
        folded = await connection.scalar(sa.select(JOB.c.title_folded).where(JOB.c.id == made.id))
    assert folded == folded_title("Αfter 8")
    assert made.id in await found(shared, "ΑFTER 8")


async def test_jobs_stream_applies_the_same_search(shared: App) -> None:
    """The search applies to the jobs at the start of the stream and to those that change."""
    made = await a_job(shared, title="ΟΔΟΣΗΜΑ 9")
    other = await a_job(shared, title="Plain 9")
    async with shared.subscribe(STREAM, search="οδος") as stream:
        assert {"id": made.id, "title": "ΟΔΟΣΗΜΑ 9"} in await values_until(stream, id=made.id)
        await jobs.retitle(shared, other.id, "Plainer 9")
        await jobs.retitle(shared, other.id, "ΟΔΌΣ 9")
        await jobs.retitle(shared, other.id, "ΟΔΟΣ 10")
        seen = await values_until(stream, title="ΟΔΟΣ 10")
    assert {each["title"] for each in seen if each["id"] == other.id} == {"ΟΔΟΣ 10"}
