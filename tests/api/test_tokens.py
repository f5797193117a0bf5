"""Tokens that are signed with the shared secret: their claims, and everything that is refused."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from server.auth.minting import mint
from tests.support.client import Json
from tests.support.factories import NO_JOB
from tests.support.forged_tokens import OTHER_SECRET, part, signed, unsigned
from tests.support.tokens import SECRET, ProductionServer, production_server, token
from tests.support.viewer_queries import VIEWER, close_of_websocket

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server that accepts tokens of the shared secret."""
    async with production_server(tmp_path_factory.mktemp("tokens")) as running:
        yield running


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
        ({"iss": "any issuer", "aud": ["any audience"]}, {"id": "amy", "name": "amy", "roles": ["user"]}),
        ({"jti": 7, "scope": ["other"]}, {"id": "amy", "name": "amy", "roles": ["user"]}),
    ],
)
async def test_claims_of_a_token_are_the_viewer(server: ProductionServer, claims: Json, viewer: Json) -> None:
    """Unknown claims and roles are ignored."""
    client = server.client(token("amy", **claims))
    assert (await client.execute(VIEWER))["viewer"] == viewer


ROLES_CLAIMS = [
    ("realm_access.roles", {"realm_access": {"roles": ["admin"]}, "roles": ["worker"]}, ["admin"]),
    (
        "resource_access.scenewire.roles",
        {"resource_access": {"scenewire": {"roles": "user worker"}}},
        ["user", "worker"],
    ),
    ("https://scenes.example.com/roles", {"https://scenes.example.com/roles": ["worker"]}, ["worker"]),
    ("app.one.roles", {"app.one": {"roles": ["admin"]}, "app": {"one": None}}, ["admin"]),
    ("realm_access.roles", {"realm_access": ["admin"], "roles": ["admin"]}, ["user"]),
    ("realm_access.roles", {"realm_access": {"roles": {"admin": True}}}, ["user"]),
    ("realm_access.roles", {"roles": ["admin"]}, ["user"]),
]
ROLES_CLAIM_IDS = (
    "path",
    "longer_path",
    "name_with_dots",
    "dots_at_both",
    "no_object",
    "object_of_roles",
    "other_claim",
)


@pytest.mark.parametrize(("setting", "claims", "roles"), ROLES_CLAIMS, ids=ROLES_CLAIM_IDS)
async def test_auth_roles_claim_names_the_claim_with_the_roles(
    tmp_path: Path, setting: str, claims: Json, roles: list[str]
) -> None:
    """The claim is a list or a string separated by spaces; the claim `roles` is ignored then."""
    async with production_server(tmp_path, auth_roles_claim=setting) as server:
        payload: Json = {"roles": None} | claims
        client = server.client(token("amy", **payload))
        assert (await client.execute(VIEWER))["viewer"]["roles"] == roles


async def test_token_command_states_roles_in_the_claim_of_the_setting(tmp_path: Path) -> None:
    """The server reads roles from the same claim."""
    async with production_server(tmp_path, auth_roles_claim="realm_access.roles") as server:
        issued = mint(server.app.container.settings, OctKey.import_key(SECRET), "amy", "Amy", ["admin"], 60.0)
        assert (await server.client(issued).execute(VIEWER))["viewer"]["roles"] == ["admin"]


async def test_token_issued_a_few_seconds_in_the_future_is_accepted(server: ProductionServer) -> None:
    """Clocks of machines differ."""
    soon = time.time() + 5
    client = server.client(token("amy", nbf=soon, iat=soon))
    assert (await client.execute(VIEWER))["viewer"]["id"] == "amy"


NOW = int(time.time())
CLAIMS = {"sub": "amy", "exp": NOW + 3600, "roles": ["admin"]}
OWN_KEY = RSAKey.generate_key(2048)

BAD: dict[str, str] = {
    "none": unsigned({"alg": "none"}, CLAIMS),
    "None": unsigned({"alg": "None", "typ": "JWT"}, CLAIMS),
    "no algorithm": unsigned({}, CLAIMS, "x"),
    "no signature": unsigned({"alg": "HS256"}, CLAIMS),
    "another secret": token("amy", secret=OTHER_SECRET),
    "signed with an empty secret": signed(CLAIMS, secret=b""),
    "another algorithm of the family": signed(CLAIMS, "HS512"),
    "a public algorithm over the secret": signed(CLAIMS, "RS256"),
    "signed by its own key": jwt.encode({"alg": "RS256", "jwk": OWN_KEY.as_dict(private=False)}, CLAIMS, OWN_KEY),
    "with a key in its header": signed(CLAIMS, secret=OTHER_SECRET, jwk={"kty": "oct", "k": part(OTHER_SECRET)}),
    "with a URL of keys": signed(CLAIMS, secret=OTHER_SECRET, jku="http://127.0.0.1:1/keys", x5u="http://127.0.0.1:1"),
    "a kid that is a path": signed(CLAIMS, secret=OTHER_SECRET, kid="../../../../dev/null"),
    "an unknown critical extension": signed(CLAIMS, crit=["exp"], exp=1),
    "signature cut off": token("amy").rsplit(".", 1)[0],
    "claims replaced": ".".join([token("amy").split(".")[0], part(CLAIMS), token("amy").split(".")[2]]),
    "five parts": "a.b.c.d.e",
    "one part": "swordfish",
    "dots": "..",
    "not ASCII": "tökén",
    "claims that are a list": signed([CLAIMS]),
    "claims that are a number": signed(7),
    "nested claims": signed("[" * 500),
    "no sub": token("amy", sub=None),
    "an empty sub": token(""),
    "a blank sub": token("   "),
    "a long sub": token("a" * 201),
    "a NUL in sub": token("a\0my"),
    "a line break in sub": token("amy\nadmin"),
    "half a surrogate pair in sub": signed(CLAIMS | {"sub": "\ud800"}),
    "a sub that is a number": token("amy", sub=7),
    "no exp": token("amy", exp=None),
    "expired": token("amy", lasts=-1),
    "expired long ago": token("amy", exp=1),
    "exp is a string": token("amy", exp=str(NOW + 3600)),
    "exp is a boolean": token("amy", exp=True),
    "exp is NaN": signed(CLAIMS | {"exp": float("nan")}),
    "exp is infinite": signed(CLAIMS | {"exp": float("inf")}),
    "exp too large for a float": signed(CLAIMS | {"exp": 10**400}),
    "exp too large for a time": signed(CLAIMS | {"exp": 1e300}),
    "nbf in the future": token("amy", nbf=time.time() + 3000),
    "nbf too small for a time": signed(CLAIMS | {"nbf": -(10**400)}),
    "iat in the future": token("amy", iat=time.time() + 3000),
    "iat is a string": token("amy", iat="now"),
    "iat too small for a time": signed(CLAIMS | {"iat": -1e300}),
    "huge": token("amy", name="x" * 10_000),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_token_is_refused_by_graphql_rest_and_websocket(server: ProductionServer, name: str) -> None:
    """With the same message, which does not repeat the token."""
    bad = BAD[name]
    header = [(b"authorization", f"Bearer {bad}".encode())]
    answer = await server.app.http.post("/graphql", json={"query": VIEWER}, headers=header)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="scenewire", error="invalid_token"'
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    rest = await server.app.http.get(f"/api/v3/jobs/{NO_JOB}/scenes", headers=header)
    assert (rest.status_code, rest.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
    code, reason = await close_of_websocket(server, {"payload": {"authorization": f"Bearer {bad}"}})
    assert (code, reason) == (4403, error["message"])
    assert bad not in answer.text + rest.text + reason or len(bad) < 3
