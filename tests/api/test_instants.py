"""The scalar DateTime: RFC 3339 exactly, in variables and in literals."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from models.db.tables import JOB
from models.domain import rfc3339
from tests.support.client import Json
from tests.support.factories import a_job
from tests.support.queries import request_error
from tests.support.server_app import App

pytestmark = pytest.mark.asyncio(loop_scope="module")

VARIABLE = "query($since: DateTime) { jobs(filter: {updatedSince: $since}) { totalCount } }"
FOUND = """
query($since: DateTime, $id: ID!) {
  job(id: $id) { updatedAt }
  jobs(filter: {updatedSince: $since, search: "Leap"}) { nodes { id } }
}
"""

ACCEPTED = {
    "upper_case": ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
    "lower_case": ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
    "offset": ("2026-01-31T12:00:00+05:30", "2026-01-31T06:30:00+00:00"),
    "unknown_offset": ("2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00+00:00"),
    "one_digit": ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000+00:00"),
    "nine_digits": ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456+00:00"),
    "leap_second": ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00"),
    "leap_second_elsewhere": ("1990-12-31T15:59:60.25-08:00", "1991-01-01T00:00:00.250000+00:00"),
    "leap_day": ("2028-02-29T23:59:59Z", "2028-02-29T23:59:59+00:00"),
    "first_instant": ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
}
REFUSED = {
    "no_instant": "yesterday",
    "nothing": "",
    "a_number": 7,
    "date_alone": "2026-01-01",
    "no_offset": "2026-01-01T00:00:00",
    "no_seconds": "2026-01-01T00:00Z",
    "week_date": "2026-W05-1T00:00Z",
    "week_date_with_seconds": "2026-W05-1T00:00:00Z",
    "day_of_the_year": "2026-031T00:00:00Z",
    "basic_format": "20260101T100000Z",
    "basic_offset": "2026-01-01T10:00:00+0530",
    "hours_of_an_offset": "2026-01-01T10:00:00+05",
    "seconds_of_an_offset": "2026-01-01T10:00:00+05:30:15",
    "offset_of_a_day": "2026-01-01T10:00:00+24:00",
    "comma": "2026-01-01T10:00:00,5Z",
    "empty_fraction": "2026-01-01T10:00:00.Z",
    "space": "2026-01-01 10:00:00Z",
    "midnight_as_24": "2026-01-01T24:00:00Z",
    "minute_60": "2026-01-01T10:60:00Z",
    "second_61": "2026-12-31T23:59:61Z",
    "leap_second_within_a_day": "2026-12-31T22:59:60Z",
    "leap_second_within_a_month": "2026-12-30T23:59:60Z",
    "month_13": "2026-13-01T00:00:00Z",
    "february_30": "2026-02-30T00:00:00Z",
    "year_0": "0000-01-01T00:00:00Z",
    "before_year_1": "0001-01-01T00:00:00+23:59",
    "after_year_9999": "9999-12-31T23:59:59-00:01",
    "arabic_digits": "٢٠٢٦-01-01T10:00:00Z",
    "line_break": "2026-01-01T10:00:00Z\n",
    "six_digit_year": "+002026-01-01T10:00:00Z",
}


@pytest.mark.parametrize(("text", "instant"), ACCEPTED.values(), ids=ACCEPTED)
async def test_instants_of_rfc_3339_are_accepted(shared: App, text: str, instant: str) -> None:
    """Accepted in a variable and in a literal, with the meaning of the RFC."""
    assert rfc3339.parse(text).isoformat() == instant
    answer = await shared.execute(VARIABLE, since=text)
    literal = f'{{ jobs(filter: {{updatedSince: "{text}"}}) {{ totalCount }} }}'
    assert await shared.execute(literal) == answer


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
async def test_other_notations_of_instants_are_refused(shared: App, text: object) -> None:
    """Refused in a variable and in a literal, with a message that shows the format."""
    assert (await request_error(shared, VARIABLE, since=text))["code"] == "BAD_USER_INPUT"
    written = str(text).replace("\n", "\\n")
    literal = f'{{ jobs(filter: {{updatedSince: "{written}"}}) {{ totalCount }} }}'
    assert (await request_error(shared, literal))["code"] == "GRAPHQL_VALIDATION_FAILED"


@pytest.mark.both_databases
async def test_leap_second_in_a_filter_is_the_following_instant(shared: App) -> None:
    """A job that changed at that instant matches, and one that changed a microsecond before does not."""
    made = await a_job(shared, title="Leap")
    following = datetime(2017, 1, 1, tzinfo=UTC)
    for updated_at, text, found in (
        (following, "2017-01-01T00:00:00Z", [made.id]),
        (following - timedelta(microseconds=1), "2016-12-31T23:59:59.999999Z", []),
    ):
        changed: Json = {"updated_at": updated_at}
        async with shared.container.store.write() as connection:
            await connection.execute(sa.update(JOB).where(JOB.c.id == made.id).values(changed))
        answer = await shared.execute(FOUND, since="2016-12-31T23:59:60Z", id=made.id)
        assert answer["job"] == {"updatedAt": text}
        assert [job["id"] for job in answer["jobs"]["nodes"]] == found
