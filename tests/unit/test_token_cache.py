"""Tokens that were verified before, and revocations that were read before."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from joserfc import jws, jwt
from joserfc.jwk import Key, OctKey

from models.domain.errors import Unavailable
from models.reads import revocations
from models.writes.store import Store
from server.auth import jwks, revoked_subjects, tokens
from server.auth.identity import Unauthenticated
from server.auth.jwks import Jwks
from server.auth.revoked_subjects import MAX_AGE_SECONDS, RevokedSubjects
from server.auth.tokens import Tokens
from server.settings import Settings
from tests.support.token_issuer import AUDIENCE, ISSUER, Issuer
from tests.support.tokens import SECRET, token


class Clock:
    """A clock that stands still."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Verifications:
    """Counts the signatures that are verified."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        decode = jwt.decode

        def counted(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            return decode(*arguments, **options)

        monkeypatch.setattr(tokens.jwt, "decode", counted)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> Verifications:
    return Verifications(monkeypatch)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The system clock of the token checks."""
    standing = Clock(time.time())
    monkeypatch.setattr(time, "time", standing)
    monkeypatch.setattr("server.auth.claims._now", standing)
    return standing


def shared_secret() -> Tokens:
    """The tokens of a server with a shared secret."""
    return Tokens(Settings.model_validate({"auth_secret": SECRET}), None)


async def test_signature_of_a_repeated_token_is_verified_once(verifications: Verifications) -> None:
    """Another token of the same subject is verified too."""
    checked = shared_secret()
    first, second = token("amy"), token("amy", "admin")
    identities = [await checked.check(each) for each in (first, first, second, first, second)]
    assert [each.viewer.roles for each in identities] == [("user",), ("user",), ("admin",), ("user",), ("admin",)]
    assert verifications.count == 2


async def test_repeated_token_expires(clock: Clock) -> None:
    """To the second, although it was accepted before."""
    checked = shared_secret()
    bearer = token("amy", lasts=60)
    await checked.check(bearer)
    clock.now += 61
    with pytest.raises(Unauthenticated, match="expired"):
        await checked.check(bearer)


async def test_token_is_known_without_waiting_while_it_is_valid(clock: Clock) -> None:
    """After it was verified, until it expires."""
    checked = shared_secret()
    bearer = token("amy", lasts=60)
    assert checked.verified(bearer) is None
    identity = await checked.check(bearer)
    assert checked.verified(bearer) is identity
    assert checked.verified(bearer + "x") is None
    clock.now += 61
    assert checked.verified(bearer) is None


async def test_key_is_current_until_a_fetch_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a request has to wait for it, or starts it."""
    since_boot = Clock(10_000.0)
    monkeypatch.setattr(time, "monotonic", since_boot)
    keys = Jwks("https://issuer.test/jwks")
    published = {"keys": [Issuer().keys["RS256"].as_dict(private=False) | {"kid": "one", "alg": "RS256"}]}

    async def fetched(_url: str) -> bytes:
        return json.dumps(published).encode()

    monkeypatch.setattr(jwks, "_fetch", fetched)
    assert keys.current_key("one", "RS256") is None
    key = await keys.key("one", "RS256")
    assert key is not None
    assert keys.current_key("one", "RS256") is key
    assert keys.current_key("two", "RS256") is None
    since_boot.now += jwks.MAX_AGE_SECONDS + 1
    assert keys.current_key("one", "RS256") is None
    await keys.close()


async def test_repeated_token_is_refused_when_the_clock_is_set_back_before_its_start(clock: Clock) -> None:
    """As one that was never seen."""
    checked = shared_secret()
    bearer = token("amy", nbf=time.time() - 60)
    await checked.check(bearer)
    clock.now -= 3600
    with pytest.raises(Unauthenticated):
        await checked.check(bearer)


async def test_token_with_another_signature_is_not_the_one_verified_before() -> None:
    """The whole text is compared."""
    checked = shared_secret()
    bearer = token("amy")
    await checked.check(bearer)
    with pytest.raises(Unauthenticated):
        await checked.check(bearer[:-4] + ("AAAA" if bearer[-4:] != "AAAA" else "BBBB"))


async def test_refused_token_is_verified_each_time(verifications: Verifications) -> None:
    """Its key may be published later."""
    checked = shared_secret()
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await checked.check(token("amy", secret="another secret of the tests, of enough bytes"))
    assert verifications.count == 2


async def test_verified_tokens_are_bounded(monkeypatch: pytest.MonkeyPatch, verifications: Verifications) -> None:
    """Above the limit, the oldest is verified again."""
    monkeypatch.setattr(tokens, "VERIFIED_TOKENS", 2)
    checked = shared_secret()
    bearers = [token("amy", jti=str(number)) for number in range(3)]
    for bearer in (*bearers, bearers[2], bearers[1], bearers[0]):
        await checked.check(bearer)
    assert verifications.count == 4


class OneKey:
    """The published keys of an issuer that has one, which a refresh replaces or withdraws."""

    def __init__(self, key: Key | None) -> None:
        self.current = key

    async def key(self, _kid: str | None, _algorithm: str) -> Key | None:
        return self.current

    def current_key(self, _kid: str | None, _algorithm: str) -> Key | None:
        return self.current


async def test_repeated_token_is_refused_after_its_key_was_withdrawn(verifications: Verifications) -> None:
    """When the keys are fetched again, a key with the same id verifies the signature again."""
    issuer = Issuer()
    key = issuer.keys["RS256"]
    published = OneKey(key)
    settings = Settings.model_validate(
        {"auth_jwks_url": "https://issuer.test/jwks", "auth_issuer": ISSUER, "auth_audience": AUDIENCE}
    )
    checked = Tokens(settings, cast("Jwks", published))
    bearer = issuer.token("RS256", "amy")
    for _ in range(2):
        identity = await checked.check(bearer)
        assert checked.verified(bearer) is identity
    assert verifications.count == 1
    published.current = type(key).import_key(key.as_dict(private=True))
    assert checked.verified(bearer) is None
    for _ in range(2):
        await checked.check(bearer)
    assert verifications.count == 2
    published.current = None
    assert checked.verified(bearer) is None
    with pytest.raises(Unauthenticated):
        await checked.check(bearer)


def test_headers_of_a_token_name_its_key() -> None:
    """What is kept of a verified token is enough to find the key again."""
    bearer = jwt.encode({"alg": "HS256", "kid": "one"}, {"sub": "amy"}, OctKey.import_key(SECRET))
    assert jws.extract_compact(bearer.encode()).headers()["kid"] == "one"


class Rows:
    """A store of revocations that counts its reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        self.revoked: dict[str, datetime] = {}
        self.fails = False
        monkeypatch.setattr(revocations, "of_subjects", self.of_subjects)

    async def of_subjects(self, _connection: object, subjects: list[str]) -> dict[str, datetime]:
        self.reads += 1
        if self.fails:
            raise Unavailable("UNAVAILABLE", "The database does not answer.")
        await asyncio.sleep(0)
        return {subject: self.revoked[subject] for subject in subjects if subject in self.revoked}

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[None]:
        yield


async def test_revocation_of_a_subject_is_read_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation takes effect when the second is over; other subjects are read for themselves."""
    rows = Rows(monkeypatch)
    clock = Clock(1_000.0)
    monkeypatch.setattr(time, "monotonic", clock)
    subjects = RevokedSubjects(cast("Store", rows))
    assert [await subjects.revoked_at(each) for each in ("amy", "amy", "ben")] == [None, None, None]
    assert rows.reads == 2
    rows.revoked["amy"] = datetime.now(UTC)
    clock.now += MAX_AGE_SECONDS - 0.01
    assert await subjects.revoked_at("amy") is None
    clock.now += 0.02
    assert await subjects.revoked_at("amy") == rows.revoked["amy"]


async def test_failed_read_of_a_revocation_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing about the subject."""
    rows = Rows(monkeypatch)
    subjects = RevokedSubjects(cast("Store", rows))
    rows.fails = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await subjects.revoked_at("amy")
    assert rows.reads == 2


async def test_remembered_subjects_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit, the oldest is read again."""
    monkeypatch.setattr(revoked_subjects, "REMEMBERED_SUBJECTS", 1)
    rows = Rows(monkeypatch)
    subjects = RevokedSubjects(cast("Store", rows))
    for subject in ("amy", "ben", "amy"):
        await subjects.revoked_at(subject)
    assert rows.reads == 3
