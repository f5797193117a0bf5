"""Tokens of an issuer that publishes its keys (JWKS)."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from server.auth import jwks
from tests.support.forged_tokens import OTHER_SECRET, signed, unsigned
from tests.support.token_issuer import AUDIENCE, ISSUER, Issuer, issuer_settings
from tests.support.tokens import ProductionServer, production_server, token
from tests.support.uvicorn_server import serve
from tests.support.viewer_queries import close_of_websocket, query_viewer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAIMS = {"sub": "amy", "exp": int(time.time()) + 3600, "roles": ["admin"], "iss": ISSUER, "aud": AUDIENCE}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issued(
    database: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[ProductionServer, Issuer]]:
    """A server that accepts tokens of an issuer, and the issuer."""
    issuer = Issuer()
    async with serve(issuer.app()) as served:
        settings = issuer_settings(f"{served.origin}/jwks")
        async with production_server(tmp_path_factory.mktemp("issuer"), **settings) as server:
            yield server, issuer


async def status(server: ProductionServer, bearer: str) -> int:
    """Return the HTTP status of a query with this token."""
    return (await query_viewer(server, bearer)).status_code


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_token_of_the_issuer_is_accepted(issued: tuple[ProductionServer, Issuer], alg: str) -> None:
    """Signed by a key of each kind; the audience may be one of several."""
    server, issuer = issued
    answer = await query_viewer(server, issuer.token(alg, "ben", aud=["other", AUDIENCE]))
    assert answer.json()["data"]["viewer"]["id"] == "ben"


async def test_token_of_another_issuer_audience_or_key_is_refused(issued: tuple[ProductionServer, Issuer]) -> None:
    """It must be signed by the published key that it names, and never by a key that is used as a secret."""
    server, issuer = issued
    published = json.dumps(issuer.keys["RS256"].as_dict(private=False))
    pem = issuer.keys["RS256"].as_pem(private=False)
    bad = [
        issuer.token("RS256", iss="https://evil.test"),
        issuer.token("RS256", iss=None),
        issuer.token("RS256", aud="another"),
        issuer.token("RS256", aud=[]),
        issuer.token("RS256", aud={AUDIENCE: 1}),
        issuer.token("RS256", kid="ec"),
        issuer.token("ES256", kid="rsa"),
        issuer.token("RS256", kid="weak"),
        # The public key as a shared secret: RFC 8725, section 2.1.
        *(signed(CLAIMS, secret=each) for each in (pem, published.encode())),
        *(signed(CLAIMS, secret=pem, kid=kid) for kid in ("rsa", "secret")),
        token("amy", iss=ISSUER, aud=AUDIENCE, secret=OTHER_SECRET),
        token("amy", iss=ISSUER, aud=AUDIENCE),
        unsigned({"alg": "none", "kid": "rsa"}, CLAIMS),
    ]
    assert [await status(server, each) for each in bad] == [401] * len(bad)


async def test_unknown_key_ids_are_fetched_at_most_once_per_interval(
    issued: tuple[ProductionServer, Issuer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens of known keys do not wait for the fetch."""
    server, issuer = issued
    await query_viewer(server, issuer.token("RS256"))
    before = issuer.requests
    unknown = [status(server, issuer.token("RS256", kid=f"junk{number}")) for number in range(50)]
    assert await asyncio.gather(*unknown, status(server, issuer.token("ES256"))) == [401] * 50 + [200]
    for number in range(5):
        assert await status(server, issuer.token("RS256", kid=f"more{number}")) == 401
    assert issuer.requests - before <= 1
    monkeypatch.setattr(jwks, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
    issuer.keys["ES256"] = ECKey.generate_key("P-256", {"kid": "new"})
    assert await status(server, issuer.token("ES256")) == 200


async def test_known_keys_stay_in_use_while_the_issuer_is_unavailable(
    issued: tuple[ProductionServer, Issuer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request waits for it. When it is available again, keys that it withdrew are refused."""
    server, issuer = issued
    monkeypatch.setattr(jwks, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "MAX_AGE_SECONDS", 0.0)
    assert await status(server, issuer.token("ES256")) == 200
    issuer.unavailable, old = True, issuer.token("ES256")
    assert [await status(server, old) for _ in range(3)] == [200] * 3
    issuer.unavailable = False
    issuer.keys["ES256"] = ECKey.generate_key("P-256", {"kid": "newest"})

    async def is_refused() -> bool:
        return await status(server, old) == 401

    await eventually(is_refused)


async def test_token_is_unavailable_while_no_key_was_ever_fetched(tmp_path_factory: pytest.TempPathFactory) -> None:
    """An error of the server, which the client may retry: 503, or close code 1012."""
    settings = issuer_settings("http://127.0.0.1:1/jwks")
    async with production_server(tmp_path_factory.mktemp("unavailable"), **settings) as server:
        answer = await query_viewer(server, Issuer().token("RS256"))
        assert answer.status_code == 503
        assert answer.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
        code, _ = await close_of_websocket(server, {"payload": {"authorization": f"Bearer {Issuer().token('RS256')}"}})
        assert code == 1012
