"""The tokens of the Python client's calls, and those that it makes."""

from pathlib import Path

import pytest

from scenewire import Client, NotFound, Refused, TokenRefused
from tests.support.tokens import production_server, token


async def test_token_is_asked_for_before_it_expires_and_when_refused(tmp_path: Path) -> None:
    """Otherwise it is kept. A callback may be a coroutine function."""
    given = [
        token("amy", lasts=10),
        token("amy"),
        token("ben", secret="of another server, of 32 bytes"),
        token("ben"),
    ]
    asked: list[str] = []

    async def next_token() -> str:
        asked.append(given[len(asked)])
        return asked[-1]

    async with production_server(tmp_path) as server, Client(server.app.url, next_token) as client:
        names = [(await client.viewer()).id for _ in range(4)]
        assert (names, len(asked)) == (["amy"] * 4, 2)
        async with Client(server.app.url, next_token) as other:
            assert (await other.viewer()).id == "ben"
        assert asked == given


async def test_token_without_another_is_refused(tmp_path: Path) -> None:
    """Without a callback, and where it returns the same token again."""
    refused = token("amy", secret="of another server, of 32 bytes")
    async with production_server(tmp_path) as server:
        for source in (refused, lambda: refused, None):
            async with Client(server.app.url, source) as client:
                with pytest.raises(TokenRefused) as error:
                    await client.viewer()
                assert str(error.value) != ""


async def test_token_for_one_job_reads_it_until_it_is_revoked(tmp_path: Path) -> None:
    """It reads no other job, and changes nothing."""
    async with production_server(tmp_path) as server, Client(server.app.url, token("amy")) as amy:
        job, other = await amy.create_job(title="One"), await amy.create_job(title="Other")
        made = await amy.create_token(["READ"], job_ids=[job.id], expires_in_seconds=600, label="Page")
        assert (made.token.job_ids, made.token.grants, made.token.label) == ((job.id,), ("READ",), "Page")
        assert made.secret not in repr(made)
        async with Client(server.app.url, made.secret) as guest:
            assert await guest.job(job.id) == await amy.job(job.id)
            first = await anext(guest.follow(job.id))
            assert first.job.title == "One"
            with pytest.raises(NotFound):
                await guest.job(other.id)
            with pytest.raises(Refused) as refused:
                await guest.update_job(job.id, title="Mine")
            assert refused.value.code == "FORBIDDEN"
            assert (await amy.revoke_token(made.token.id)).revoked_at is not None
            with pytest.raises(TokenRefused):
                await guest.job(job.id)
