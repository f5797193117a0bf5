"""HTTP responses of the storyboard page and its assets; needs no browser."""

import json
from pathlib import Path

import httpx
import pytest

from server.settings import Settings
from server.storyboard import ASSETS_PATH
from tests.support.client import Json
from tests.support.server_app import running
from tests.support.server_process import ROOT
from tests.support.token_issuer import issuer_settings
from tests.support.tokens import production_server

pytestmark = pytest.mark.sqlite_alone

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ASSETS = ROOT / "web" / "dist" / "storyboard" / "assets"
SCRIPT_BYTES = 150_000


def connected(response: httpx.Response) -> list[str]:
    """Return the sources of connect-src."""
    directives = [each.split() for each in response.headers["content-security-policy"].split(";")]
    return next(sources for name, *sources in directives if name == "connect-src")


async def test_production_serves_the_page_to_browsers_without_a_token(tmp_path: Path) -> None:
    """It holds no data. Any other request to the address needs a token, and so does the API."""
    async with production_server(tmp_path) as server:
        http = server.app.http
        page = await http.get("/", headers=BROWSER)
        assert (page.status_code, page.headers["cache-control"], page.headers["vary"]) == (200, "no-cache", "accept")
        assert 'name="sign-in" content="token"' in page.text
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert connected(page) == ["'self'"]
        script = next(
            part for part in page.text.split('"') if part.startswith(f"{ASSETS_PATH}/") and part.endswith("js")
        )
        asset = await http.get(script, headers={"accept-encoding": "gzip"})
        assert asset.headers["content-encoding"] == "gzip"
        assert "immutable" in asset.headers["cache-control"]
        for method, headers in (("GET", {"accept": "application/json"}), ("HEAD", {}), ("POST", BROWSER)):
            assert (await http.request(method, "/", headers=headers)).status_code == 401
        assert (await server.user("amy").http.get("/")).status_code == 404


async def test_page_that_is_off_is_not_served(tmp_path: Path) -> None:
    """In development `/` then redirects browsers to the explorer, as clients that are no browsers always are."""
    async with running(tmp_path / "off", storyboard=False) as app:
        assert (await app.http.get("/", headers=BROWSER)).headers["location"] == "/graphql"
        assert (await app.http.get(f"{ASSETS_PATH}/nothing.js")).status_code == 404
    async with running(tmp_path / "on") as app:
        assert (await app.http.get("/")).headers["location"] == "/graphql"
        assert 'name="sign-in" content="none"' in (await app.http.get("/", headers=BROWSER)).text


@pytest.mark.parametrize("storyboard", [True, False], ids=["on", "off"])
async def test_documents_of_the_page_are_trusted_while_it_is_on(tmp_path: Path, storyboard: bool) -> None:
    """So it works where users may execute trusted documents only."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"own": "{ viewer { id } }"}))
    texts: dict[str, str] = json.loads((ASSETS.parent / "documents.json").read_text())
    (document,) = [text for text in texts.values() if text.lstrip().startswith("query Jobs(")]
    settings: Json = {"trusted_documents": str(manifest), "trusted_documents_only": True, "storyboard": storyboard}
    async with production_server(tmp_path, **settings) as server:
        body = {"query": document, "variables": {"first": 1}}
        answer = (await server.user("amy").http.post("/graphql", json=body)).json()
    if storyboard:
        assert answer["data"]["jobs"]["nodes"] == []
    else:
        assert answer["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"


async def test_page_names_the_issuer_and_may_connect_to_it(tmp_path: Path) -> None:
    """With a client id of the issuer the page signs in there, and nowhere else."""
    issuer: Json = issuer_settings("https://issuer.test/jwks") | {"auth_client_id": 'board"><script>'}
    async with production_server(tmp_path, **issuer) as server:
        page = await server.app.http.get("/", headers=BROWSER)
    assert 'name="sign-in" content="oidc"' in page.text
    assert 'name="issuer" content="https://issuer.test"' in page.text
    assert 'name="client-id" content="board&quot;&gt;&lt;script&gt;"' in page.text
    assert connected(page) == ["'self'", "https://issuer.test"]


@pytest.mark.parametrize("issuer", ["http://issuer.test", "issuer"])
def test_client_id_needs_an_issuer_that_a_browser_can_trust(issuer: str) -> None:
    """Codes and tokens must not be sent without encryption."""
    settings = issuer_settings("https://issuer.test/jwks") | {"auth_client_id": "board"}
    assert Settings.model_validate(settings).auth_client_id == "board"
    with pytest.raises(ValueError, match="AUTH_ISSUER must begin with https://"):
        Settings.model_validate(settings | {"auth_issuer": issuer})


def test_scripts_are_within_their_budget() -> None:
    """All of them together, compressed."""
    compressed = [path.stat().st_size for path in ASSETS.glob("*.js.gz")]
    small = [path.stat().st_size for path in ASSETS.glob("*.js") if not Path(f"{path}.gz").exists()]
    assert compressed
    assert sum(compressed) + sum(small) < SCRIPT_BYTES
