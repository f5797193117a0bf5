"""Security middleware around a small application."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from server.middleware.forwarding import Forwarding
from server.middleware.security_middleware import install_security_middleware
from server.settings import Settings

SECRET = "the password is swordfish"
AUTH_SECRET = "the settings of production require one"


def client(host: str = "127.0.0.1", **settings: Any) -> httpx.AsyncClient:
    """A client of an application that returns the client's address, and raises at /fail."""
    app = FastAPI()

    async def address(request: Request) -> str:
        return request.client.host if request.client is not None else ""

    async def fail() -> None:
        raise RuntimeError(SECRET)

    app.add_api_route("/", address, methods=["GET", "POST"])
    app.add_api_route("/fail", fail)
    chosen = Settings.model_validate({"auth_secret": AUTH_SECRET} | settings)
    install_security_middleware(app, chosen)
    app.add_middleware(Forwarding, trusted_proxies=chosen.trusted_proxies, public_path="", own_segments=("",))
    transport = httpx.ASGITransport(app, client=(host, 1), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:4000")


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "seen"),
    [
        ("", "10.0.0.1", "203.0.113.7", "10.0.0.1"),
        ("10.0.0.0/8", "192.0.2.1", "203.0.113.7", "192.0.2.1"),
        ("10.0.0.0/8", "10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.0/8, 192.0.2.1", "192.0.2.1", "6.6.6.6, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("2001:db8::/32", "2001:db8::1", "203.0.113.7", "203.0.113.7"),
        # IPv4 addresses on a listener for both protocols.
        ("", "::ffff:192.0.2.1", "203.0.113.7", "192.0.2.1"),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "6.6.6.6, ::ffff:203.0.113.7, ::FFFF:10.0.0.2", "203.0.113.7"),
        ("10.0.0.0/8", "10.0.0.1", "[::ffff:203.0.113.7]:4711, 10.0.0.2:80", "203.0.113.7"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
    ],
)
async def test_client_address_is_the_rightmost_untrusted_one_of_x_forwarded_for(
    trusted: str, peer: str, forwarded: str, seen: str
) -> None:
    """Addresses to the left of it can be forged by the client."""
    async with client(peer, trusted_proxies=trusted) as http:
        assert (await http.get("/", headers={"x-forwarded-for": forwarded})).json() == seen


@pytest.mark.parametrize(
    ("profile", "host", "status"),
    [
        ("development", "localhost:4000", 200),
        ("development", "127.0.0.1:4000", 200),
        ("development", "[::1]:4000", 200),
        ("development", "rebound.example:4000", 403),
        ("production", "scenewire.example", 200),
    ],
)
async def test_origin_of_a_rebound_host_name_is_refused_in_development(profile: str, host: str, status: int) -> None:
    """Without tokens, a page must come from loopback or PUBLIC_URL (DNS rebinding)."""
    async with client(profile=profile) as http:
        answer = await http.post("/", headers={"host": host, "origin": f"http://{host}"})
    assert answer.status_code == status


async def test_unexpected_error_is_masked_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Under the id in the response, which has the security headers of every other."""
    async with client() as http:
        answer = await http.get("/fail")
    (record,) = [record for record in caplog.records if record.name.startswith("server")]
    assert answer.status_code == 500
    ids = {"id": record.__dict__["error_id"], "requestId": answer.headers["x-request-id"]}
    assert answer.json()["error"]["details"] == [ids]
    assert SECRET not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
