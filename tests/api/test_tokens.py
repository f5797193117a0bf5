"""Who is let in: tokens that are ours to believe, and everything that only looks like one."""

import asyncio
import base64
import hmac
import json
import time
import warnings
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from server.auth import jwks
from tests.support.client import Json
from tests.support.factories import NO_JOB, NO_SCENE
from tests.support.tokens import SECRET, ProductionServer, production_server, token
from tests.support.uvicorn_server import serve
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = "{ viewer { id name roles } }"
ISSUER, AUDIENCE = "https://issuer.test", "scenewire"
OTHER_SECRET = "another secret, just as long as the first one is"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server that believes tokens of our own secret."""
    async with production_server(tmp_path_factory.mktemp("tokens"), explorer=True) as made:
        yield made


def part(value: object) -> str:
    """A part of a token, written by hand."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_hand(header: Json, claims: object, signature: str = "") -> str:
    """A token that no library would make."""
    return f"{part(header)}.{part(claims)}.{signature}"


async def ask(place: ProductionServer, bearer: str | None, document: str = WHO) -> httpx.Response:
    """Who the server thinks one is."""
    return await place.client(bearer).http.post("/graphql", json={"query": document})


async def closing(place: ProductionServer, init: Json, **headers: str) -> tuple[int, str]:
    """How a socket ends that begins like this."""
    address = f"ws{place.app.url.removeprefix('http')}/graphql"
    async with connect(
        address, subprotocols=[Subprotocol("graphql-transport-ws")], additional_headers=headers
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init", **init}))
        async with asyncio.timeout(5):
            await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


@pytest.mark.parametrize(
    ("claims", "viewer"),
    [
        ({}, {"id": "amy", "name": "amy", "roles": ["user"]}),
        ({"name": "Amy"}, {"id": "amy", "name": "Amy", "roles": ["user"]}),
        ({"name": "A\nmy"}, {"id": "amy", "name": "amy", "roles": ["user"]}),
        ({"roles": ["admin", "worker", "king"]}, {"id": "amy", "name": "amy", "roles": ["worker", "admin"]}),
        ({"roles": ["system", "root"]}, {"id": "amy", "name": "amy", "roles": ["user"]}),
        ({"roles": "user admin"}, {"id": "amy", "name": "amy", "roles": ["user", "admin"]}),
        ({"roles": {"admin": True}}, {"id": "amy", "name": "amy", "roles": ["user"]}),
        ({"sub": "Ångström 7"}, {"id": "Ångström 7", "name": "Ångström 7", "roles": ["user"]}),
        ({"iat": None}, {"id": "amy", "name": "amy", "roles": ["user"]}),
        ({"iss": "anybody", "aud": ["anything"]}, {"id": "amy", "name": "amy", "roles": ["user"]}),
    ],
    ids=str,
)
async def test_a_token_says_who_one_is(place: ProductionServer, claims: Json, viewer: Json) -> None:
    """By its claims; what we do not know of it means nothing."""
    client = place.client(token("amy", **claims))
    assert (await client.execute(WHO))["viewer"] == viewer


async def test_clocks_may_differ_a_little(place: ProductionServer) -> None:
    """A token of a few seconds from now is one of now."""
    soon = time.time() + 5
    client = place.client(token("amy", nbf=soon, iat=soon))
    assert (await client.execute(WHO))["viewer"]["id"] == "amy"


NOW = int(time.time())
PLAIN = {"sub": "amy", "exp": NOW + 3600, "roles": ["admin"]}
PUBLIC = RSAKey.generate_key(2048)


def signed(claims: object, alg: str = "HS256", secret: str | bytes = SECRET, **header: Any) -> str:
    """Signed by our secret, whatever it says."""
    encoded = f"{part({'alg': alg, **header})}.{part(claims)}"
    key = secret if isinstance(secret, bytes) else secret.encode()
    mac = hmac.new(key, encoded.encode(), "sha256").digest()
    return f"{encoded}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


BAD: dict[str, str] = {
    "none": by_hand({"alg": "none"}, PLAIN),
    "None": by_hand({"alg": "None", "typ": "JWT"}, PLAIN),
    "no algorithm": by_hand({}, PLAIN, "x"),
    "no signature": by_hand({"alg": "HS256"}, PLAIN),
    "another secret": token("amy", secret=OTHER_SECRET),
    "an empty secret's signature": signed(PLAIN, secret=b""),
    "another algorithm of the family": signed(PLAIN, "HS512"),
    "a public algorithm over our secret": signed(PLAIN, "RS256"),
    "signed by a key of its own": jwt.encode({"alg": "RS256", "jwk": PUBLIC.as_dict(private=False)}, PLAIN, PUBLIC),
    "with a key beside it": signed(PLAIN, secret=OTHER_SECRET, jwk={"kty": "oct", "k": part(OTHER_SECRET)}),
    "an address of keys": signed(PLAIN, secret=OTHER_SECRET, jku="http://127.0.0.1:1/keys", x5u="http://127.0.0.1:1"),
    "a kid that is a path": signed(PLAIN, secret=OTHER_SECRET, kid="../../../../dev/null"),
    "an unknown critical extension": signed(PLAIN, crit=["exp"], exp=1),
    "claims cut": token("amy").rsplit(".", 1)[0],
    "claims changed": ".".join([token("amy").split(".")[0], part(PLAIN), token("amy").split(".")[2]]),
    "five parts": "a.b.c.d.e",
    "one part": "swordfish",
    "dots": "..",
    "not ASCII": "tökén",
    "claims that are a list": signed([PLAIN]),
    "claims that are a number": signed(7),
    "nested claims": signed("[" * 500),
    "no sub": token("amy", sub=None),
    "an empty sub": token(""),
    "a blank sub": token("   "),
    "a long sub": token("a" * 201),
    "a NUL in sub": token("a\0my"),
    "a line break in sub": token("amy\nadmin"),
    "half a surrogate pair in sub": signed(PLAIN | {"sub": "\ud800"}),
    "a sub that is a number": token("amy", sub=7),
    "no exp": token("amy", exp=None),
    "expired": token("amy", lasts=-1),
    "expired long ago": token("amy", exp=1),
    "exp as text": token("amy", exp=str(NOW + 3600)),
    "exp as truth": token("amy", exp=True),
    "exp beyond all numbers": signed(PLAIN).replace(part(PLAIN), part(PLAIN | {"exp": 10**400})),
    "exp for ever": signed(PLAIN | {"exp": 1e300}),
    "nbf in the future": token("amy", nbf=time.time() + 3000),
    "iat in the future": token("amy", iat=time.time() + 3000),
    "iat as text": token("amy", iat="now"),
    "huge": token("amy", name="x" * 10_000),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_only_looks_like_a_token(place: ProductionServer, name: str) -> None:
    """Is refused alike on HTTP, REST and websocket, and nothing of it is repeated."""
    bad = BAD[name]
    header = [(b"authorization", f"Bearer {bad}".encode())]
    answer = await place.app.http.post("/graphql", json={"query": WHO}, headers=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="scenewire", error="invalid_token"'
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    rest = await place.app.http.get(f"/api/v3/jobs/{NO_JOB}/scenes", headers=header)
    assert (rest.status_code, rest.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
    code, reason = await closing(place, {"payload": {"authorization": f"Bearer {bad}"}})
    assert (code, reason) == (4403, error["message"])
    assert bad not in answer.text + rest.text + reason or len(bad) < 3


class TestWithoutOne:
    """Everything is closed, but what must be open."""

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("POST", "/graphql"),
            ("GET", "/graphql"),
            ("GET", "/graphql?query={__typename}"),
            ("PUT", "/graphql"),
            ("GET", "/api/v3/jobs/x/scenes"),
            ("GET", f"/api/v3/jobs/{NO_JOB}/scenes"),
            ("GET", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}"),
            ("PUT", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}"),
            ("POST", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}/regenerate"),
            ("DELETE", f"/api/v3/jobs/{NO_JOB}/scenes/{NO_SCENE}"),
            ("GET", "/nothing/here"),
            ("GET", "//healthz"),
            ("GET", "/healthz/../graphql"),
        ],
    )
    async def test_nobody_gets_in(self, place: ProductionServer, method: str, path: str) -> None:
        """Before anything that they say is read, be it wrong or right."""
        for body in (b"", b"{", b'{"query": "{ __typename }"}'):
            answer = await place.app.http.request(
                method, "/", content=body, extensions={"target": path.encode()}, headers={"host": "x/healthz?"}
            )
            assert answer.status_code == 401, answer.text
            assert answer.headers["www-authenticate"] == 'Bearer realm="scenewire"'

    async def test_a_token_in_the_address_is_none(self, place: ProductionServer) -> None:
        """There others would read it, on the way and in logs."""
        good = token("amy")
        for name in ("token", "access_token", "authorization", "Authorization"):
            answer = await place.app.http.post("/graphql", params={name: f"Bearer {good}"}, json={"query": WHO})
            assert answer.status_code == 401

    async def test_neither_do_other_schemes_nor_two_at_once(self, place: ProductionServer) -> None:
        """Basic, a bare token, a form."""
        good = token("amy")
        for said in ([f"Basic {good}"], [good], [""], ["Bearer"], [f"Bearer {good}"] * 2):
            headers = [("authorization", each) for each in said]
            answer = await place.app.http.post("/graphql", json={"query": WHO}, headers=headers)
            assert answer.status_code == 401, said

    async def test_the_explorer_and_the_health_of_the_server_are_open(self, place: ProductionServer) -> None:
        """The page is not the API: it is given to browsers where the operator wants that."""
        for path in ("/healthz", "/readyz", "/api/docs", "/openapi.json"):
            assert (await place.app.http.get(path)).status_code == 200
        page = await place.app.http.get("/graphql", headers={"accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert (await place.app.http.post("/graphql", headers={"accept": "text/html"})).status_code == 401

    async def test_a_socket_is_not_acknowledged(self, place: ProductionServer) -> None:
        """Closed with 4403, as the protocol has it for a refused initialisation."""
        inits: list[Json] = [{}, {"payload": None}, {"payload": {}}, {"payload": {"token": token("amy")}}]
        for init in inits:
            code, reason = await closing(place, init)
            assert (code, reason) == (4403, "Authentication is required: send an Authorization header with a Bearer token.")
        assert (await closing(place, {"payload": {"authorization": 7}}))[0] == 4403


async def test_the_shape_of_a_refusal_is_that_of_the_api(place: ProductionServer) -> None:
    """GraphQL's, in the type that was asked for; and REST's."""
    why = "Authentication is required: send an Authorization header with a Bearer token."
    for kind in ("application/json", "application/graphql-response+json"):
        answer = await place.app.http.post("/graphql", json={"query": WHO}, headers={"accept": kind})
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.json() == {"errors": [{"message": why, "extensions": {"code": "UNAUTHENTICATED"}}]}
    rest = await place.app.http.delete("/api/v3/jobs/a/scenes/b")
    assert rest.json() == {"error": {"code": "UNAUTHENTICATED", "message": why, "details": []}}


async def test_a_socket_is_let_in_by_its_handshake_or_by_its_first_message(place: ProductionServer) -> None:
    """The message counts when there are both."""
    address = f"ws{place.app.url.removeprefix('http')}/graphql"
    good, other = f"Bearer {token('amy')}", f"bearer {token('ben')}"
    for headers, payload, who in (
        ({"authorization": good}, None, "amy"),
        ({}, {"authorization": good}, "amy"),
        ({}, {"Authorization": good}, "amy"),
        ({"authorization": good}, {"authorization": other}, "ben"),
    ):
        async with connect(
            address, subprotocols=[Subprotocol("graphql-transport-ws")], additional_headers=headers
        ) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": WHO}}))
            assert json.loads(await socket.recv())["payload"]["data"]["viewer"]["id"] == who


class Issuer:
    """Publishes keys on loopback and counts who asks."""

    def __init__(self) -> None:
        self.keys = {
            "RS256": RSAKey.generate_key(2048, {"kid": "rsa"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "ec"}),
            "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
        }
        self.weak = weak_key()
        self.asked = 0
        self.away = False

    def app(self) -> Router:
        """What is served."""

        async def published(_request: Request) -> JSONResponse:
            self.asked += 1
            if self.away:
                return JSONResponse({}, 503)
            secret = {"kty": "oct", "k": part(OTHER_SECRET), "kid": "secret", "alg": "HS256"}
            keys = [key.as_dict(private=False) for key in (*self.keys.values(), self.weak)]
            return JSONResponse({"keys": [*keys, secret, {"kty": "AKP", "kid": "new"}, 7]})

        return Router([Route("/jwks", published)])

    def token(self, alg: str, subject: str = "amy", kid: str | None = None, **claims: Any) -> str:
        """One of its tokens."""
        key = self.keys.get(alg) or self.weak
        said: Json = {"sub": subject, "iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60} | claims
        return jwt.encode({"alg": alg, "kid": kid or key.kid}, said, key, registry=Quiet())


def weak_key() -> RSAKey:
    """One that joserfc would warn of as well."""
    with warnings.catch_warnings(action="ignore"):
        return RSAKey.generate_key(1024, {"kid": "weak"})


class Quiet(JWSRegistry):
    """joserfc warns of EdDSA's new name."""

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issued(
    database: None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[ProductionServer, Issuer]]:
    """A server that believes an issuer."""
    issuer = Issuer()
    async with serve(issuer.app()) as served:
        settings: Json = {
            "auth_jwks_url": f"{served.origin}/jwks",
            "auth_issuer": ISSUER,
            "auth_audience": AUDIENCE,
            "auth_secret": "",
            "secret_key": SECRET,
        }
        async with production_server(tmp_path_factory.mktemp("issuer"), **settings) as made:
            yield made, issuer


class TestPublishedKeys:
    """The tokens of somebody else's service."""

    @pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
    async def test_are_believed(self, issued: tuple[ProductionServer, Issuer], alg: str) -> None:
        """By each kind of key."""
        place, issuer = issued
        answer = await ask(place, issuer.token(alg, "ben", aud=["other", AUDIENCE]))
        assert answer.json()["data"]["viewer"]["id"] == "ben"

    async def test_only_if_they_are_for_us(self, issued: tuple[ProductionServer, Issuer]) -> None:
        """By the right issuer, for the right audience, signed by the key that they name."""
        place, issuer = issued
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
            # The oldest trick: the public key as a shared secret.
            *(signed(PLAIN | {"iss": ISSUER, "aud": AUDIENCE}, secret=each) for each in (pem, published.encode())),
            *(signed(PLAIN | {"iss": ISSUER, "aud": AUDIENCE}, secret=pem, kid=kid) for kid in ("rsa", "secret")),
            token("amy", iss=ISSUER, aud=AUDIENCE, secret=OTHER_SECRET),
            token("amy", iss=ISSUER, aud=AUDIENCE),
            by_hand({"alg": "none", "kid": "rsa"}, PLAIN | {"iss": ISSUER, "aud": AUDIENCE}),
        ]
        assert [(await ask(place, each)).status_code for each in bad] == [401] * len(bad)

    async def test_unknown_keys_are_looked_for_once_in_a_while(
        self, issued: tuple[ProductionServer, Issuer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many there are; and those that are known are not held up."""
        place, issuer = issued
        await ask(place, issuer.token("RS256"))
        before = issuer.asked
        storm = [ask(place, issuer.token("RS256", kid=f"junk{number}")) for number in range(50)]
        answers = await asyncio.gather(*storm, ask(place, issuer.token("ES256")))
        assert [answer.status_code for answer in answers] == [401] * 50 + [200]
        for number in range(5):
            assert (await ask(place, issuer.token("RS256", kid=f"more{number}"))).status_code == 401
        assert issuer.asked - before <= 1
        monkeypatch.setattr(jwks, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
        issuer.keys["ES256"] = ECKey.generate_key("P-256", {"kid": "new"})
        assert (await ask(place, issuer.token("ES256"))).status_code == 200

    async def test_while_the_issuer_is_away_its_keys_are_believed(
        self, issued: tuple[ProductionServer, Issuer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those that were read; nobody waits for it. When it is back, what it took back is believed no more."""
        place, issuer = issued
        monkeypatch.setattr(jwks, "MIN_FETCH_INTERVAL_SECONDS", 0.0)
        monkeypatch.setattr(jwks, "MAX_AGE_SECONDS", 0.0)
        assert (await ask(place, issuer.token("ES256"))).status_code == 200
        issuer.away, old = True, issuer.token("ES256")
        assert [(await ask(place, old)).status_code for _ in range(3)] == [200] * 3
        issuer.away = False
        issuer.keys["ES256"] = ECKey.generate_key("P-256", {"kid": "newest"})

        async def taken_back() -> bool:
            return (await ask(place, old)).status_code == 401

        await eventually(taken_back)

    async def test_without_any_keys_nothing_can_be_said(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """That is the server's trouble, not the client's, and passes."""
        settings: Json = {
            "auth_jwks_url": "http://127.0.0.1:1/jwks",
            "auth_issuer": ISSUER,
            "auth_audience": AUDIENCE,
            "auth_secret": "",
            "secret_key": SECRET,
        }
        async with production_server(tmp_path_factory.mktemp("away"), **settings) as place:
            answer = await ask(place, Issuer().token("RS256"))
            assert answer.status_code == 503
            assert answer.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
            code, _ = await closing(place, {"payload": {"authorization": f"Bearer {Issuer().token('RS256')}"}})
            assert code == 1012


async def test_in_development_nobody_is_asked_but_a_token_counts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """So that one can try things as somebody; a wrong one is refused, and without keys none is looked at."""
    async with production_server(tmp_path_factory.mktemp("laptop"), profile="development") as place:
        assert (await ask(place, None)).json()["data"]["viewer"]["id"] == "local"
        assert (await ask(place, token("amy"))).json()["data"]["viewer"]["id"] == "amy"
        assert (await ask(place, BAD["none"])).status_code == 401
    async with production_server(tmp_path_factory.mktemp("laptop"), profile="development", auth_secret="") as place:
        assert (await ask(place, BAD["none"])).json()["data"]["viewer"]["id"] == "local"
