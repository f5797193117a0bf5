"""Tokens of hosted services are sent to their own hosts only, and outputs are fetched from hosts that are allowed."""

from functools import partial

import httpx
import pytest

from providers.fal.client import Addresses, FalClient
from providers.hosted.http import Http
from providers.hosted.retrying import Pace, Refused
from providers.openrouter.client import OpenRouterClient
from providers.port import Failure
from providers.replicate.api import Api

TOKEN = "the-token"
ELSEWHERE = "https://1.1.1.1/clip.mp4"
# No name is looked up for addresses.
PRIVATE = (
    "https://127.0.0.1/a",
    "https://10.0.0.1/a",
    "https://169.254.169.254/a",
    "https://[::1]/a",
    "http://1.1.1.1/a",
)

Seen = list[tuple[str, str | None]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """The hosts that are requested, each with the header Authorization; a path /to/URL redirects to that URL."""
    requests: Seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append((request.url.host, request.headers.get("authorization")))
        _, redirects, target = request.url.path.partition("/to/")
        return httpx.Response(302, headers={"location": f"https://{target}"}) if redirects else httpx.Response(200)

    monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=httpx.MockTransport(answer)))
    return requests


async def fetched(http: Http, address: str) -> None:
    try:
        async with http.download(address) as response:
            assert response.status_code == 200
    finally:
        await http.close()


async def test_token_of_replicate_goes_to_its_delivery(seen: Seen) -> None:
    """Files of private models need it."""
    await fetched(
        Api("https://api.replicate.com/v1", TOKEN).http, "https://api.replicate.com/to/x.replicate.delivery/a"
    )
    assert seen == [("api.replicate.com", f"Bearer {TOKEN}"), ("x.replicate.delivery", f"Bearer {TOKEN}")]


async def test_token_of_fal_does_not_go_to_its_delivery(seen: Seen) -> None:
    """Its files are public."""
    await fetched(FalClient(Addresses(), TOKEN, Pace(), ["a/b"]).http, "https://queue.fal.run/to/v3.fal.media/a.mp4")
    assert seen == [("queue.fal.run", f"Key {TOKEN}"), ("v3.fal.media", None)]


async def test_token_of_openrouter_does_not_follow_redirects(seen: Seen) -> None:
    """The content may be in the storage of a maker."""
    client = OpenRouterClient("https://openrouter.ai/api/v1", TOKEN, Pace())
    await fetched(client.http, f"https://openrouter.ai/to/{ELSEWHERE.removeprefix('https://')}")
    assert seen == [("openrouter.ai", f"Bearer {TOKEN}"), ("1.1.1.1", None)]


@pytest.mark.parametrize("service", ["replicate", "fal"])
async def test_output_on_another_host_is_refused(seen: Seen, service: str) -> None:
    """Also one whose name ends alike, and behind a redirect."""
    for address in (
        ELSEWHERE,
        "https://evilreplicate.delivery/a",
        "https://fal.media.evil.test/a",
        "http://v3.fal.media/a",
    ):
        with pytest.raises(Failure) as caught:
            await fetched(http_of(service), address)
        assert caught.value.code == "OUTPUT_REFUSED"
    assert seen == []
    own = str(httpx.URL(http_of(service).service.address).host)
    with pytest.raises(Refused):
        await fetched(http_of(service), f"https://{own}/to/1.1.1.1/a")
    assert [host for host, _ in seen] == [own]


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_address_is_refused_for_openrouter(seen: Seen, address: str) -> None:
    """What it redirects to must be public, and encrypted."""
    with pytest.raises(Failure) as caught:
        await fetched(OpenRouterClient("https://openrouter.ai/api/v1", TOKEN, Pace()).http, address)
    assert (caught.value.code, seen) == ("OUTPUT_REFUSED", [])


def http_of(service: str) -> Http:
    if service == "replicate":
        return Api("https://api.replicate.com/v1", TOKEN).http
    return FalClient(Addresses(), TOKEN, Pace(), ["a/b"]).http
