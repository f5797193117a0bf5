"""A leased worker behind the provider port, so that the conformance suites cover the whole path of a leased take.

Orders become scenes of a running server; a worker leases their takes over the API and has them rendered by the scripted
provider; what is followed is what the server reports.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

from providers.catalogue import Model, Settings, any_model
from providers.port import Asset, Failure, Made, Order, Progress, Rendered
from tests.support.asset_files import File, a_ready_asset, at
from tests.support.client import Client, Json
from tests.support.leased_worker import MODEL, Pace, worker
from tests.support.server_process import ServerProcess

MEDIA = "{ url contentType width height durationSeconds }"
SCENE = f"""status percentage failure {{ code message retryable }} output {MEDIA} poster {MEDIA} preview {MEDIA}
currentTake {{ settings {{ model aspectRatio seed negativePrompt audio options }} }}"""
POLL_SECONDS = 0.2


class LeasedProvider:
    """Orders takes of leased workers at a server, as its clients do."""

    name = "leased"

    def __init__(self, client: Client, pace: Pace, test: str) -> None:
        self._client = client
        self._pace = pace
        self._test = test
        self._closed = asyncio.Event()

    async def models(self) -> Sequence[Model]:
        """Return what the server knows of a model of workers: its name."""
        return (any_model(MODEL),)

    async def submit(self, order: Order) -> str:
        """Make a job of one scene; the same order is the same job."""
        scene: Json = {
            "prompt": order.prompt,
            "durationSeconds": order.duration_seconds,
            "metadata": dict(order.metadata),
            "settings": _asked(order.settings),
            "inputs": [await self._input(order, place) for place in range(len(order.inputs))],
        }
        job: Json = {"title": "Order", "provider": "leased", "start": True, "scenes": [scene]}
        key = f"{self._test}-{order.key}"
        selection = "job { scenes { nodes { id } } } errors { message path }"
        payload = await self._client.mutate("createJob", selection, **job, idempotencyKey=key)
        assert payload["errors"] == [], payload
        return payload["job"]["scenes"]["nodes"][0]["id"]

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered]:
        """Yield what the server shows of the scene whenever that has changed, then its files."""
        shown: tuple[float | None, str | None] = (None, None)
        while not self._closed.is_set():
            look = self._pace.begin(provider_id)
            scene = (await self._client.execute(f'{{ scene(id: "{provider_id}") {{ {SCENE} }} }}'))["scene"]
            match scene["status"]:
                case "COMPLETED":
                    yield await self._rendered(order, scene)
                    return
                case "FAILED":
                    failure = scene["failure"]
                    raise Failure(failure["code"], failure["message"], retryable=failure["retryable"])
                case "CANCELED":
                    raise Failure("CANCELED", "The scene was canceled.", retryable=False)
                case _:
                    percentage, preview = scene["percentage"], scene["preview"]
            url = None if preview is None else preview["url"]
            if (percentage, url) != shown:
                frame = None if url is None or url == shown[1] else await self._content(url)
                shown = (percentage, url)
                yield Progress(None if percentage is None else percentage / 100, frame)
            self._pace.end(provider_id, look)
            await self._pace.called_again(POLL_SECONDS)
        raise Failure("INTERRUPTED", "The provider was closed.", retryable=True)

    async def cancel(self, provider_id: str) -> None:
        """Cancel the scene; what is over or unknown is refused by the server."""
        await self._client.mutate("cancelScene", "errors { code }", sceneId=provider_id)

    async def close(self) -> None:
        """End what is followed."""
        self._closed.set()

    async def _input(self, order: Order, place: int) -> Json:
        given = order.inputs[place]
        file = File((await given.path()).read_bytes(), "IMAGE", given.content_type)
        asset = await a_ready_asset(self._client, file)
        return {"role": given.role.value, "assetId": asset["id"], "name": given.name}

    async def _rendered(self, order: Order, scene: Json) -> Rendered:
        clip, poster, preview = [
            await self._asset(order.workdir / name, scene[name]) for name in ("output", "poster", "preview")
        ]
        used: Json = scene["currentTake"]["settings"]
        settings = Settings(
            model=used["model"].removeprefix("leased/") if used["model"] else None,
            aspect_ratio=used["aspectRatio"],
            seed=used["seed"],
            negative_prompt=used["negativePrompt"],
            audio=used["audio"],
            options=used["options"],
        )
        # The server has looked at the clip.
        return Rendered(clip, poster, preview, checked=True, made=Made(settings))

    async def _asset(self, path: Path, media: Json) -> Asset:
        await asyncio.to_thread(path.write_bytes, await self._content(media["url"]))
        return Asset(path, media["contentType"], media["width"], media["height"], media["durationSeconds"])

    async def _content(self, url: str) -> bytes:
        answer = await self._client.http.get(at(self._client, url))
        assert answer.status_code == 200, answer.text
        return answer.content


def _asked(settings: Settings) -> Json:
    asked: Json = {
        "model": settings.model,
        "aspectRatio": settings.aspect_ratio,
        "seed": settings.seed,
        "negativePrompt": settings.negative_prompt,
        "audio": settings.audio,
    }
    return {name: value for name, value in asked.items() if value is not None}


@contextmanager
def serving() -> Generator[ServerProcess]:
    """Run a server for all tests of a module."""
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), provider="leased").start()
        try:
            yield server
        finally:
            server.kill()


@asynccontextmanager
async def leasing(server: ServerProcess) -> AsyncGenerator["Providers"]:
    """Run a worker beside a test, and give what makes providers of its orders; they are canceled in the end."""
    client, pace = Client(server.url), Pace()
    working = asyncio.create_task(worker(client, pace))
    try:
        yield Providers(client, pace)
    finally:
        working.cancel()
        await asyncio.wait([working])
        unfinished = "{ jobs(filter: {status: [PROCESSING]}) { nodes { id } } }"
        for job in (await client.execute(unfinished))["jobs"]["nodes"]:
            await client.mutate("cancelJob", "errors { code }", jobId=job["id"])
        await client.close()


class Providers:
    """Makes providers of one test, each like one of another process."""

    def __init__(self, client: Client, pace: Pace) -> None:
        self._client = client
        self._pace = pace
        self._test = uuid4().hex

    def __call__(self) -> LeasedProvider:
        return LeasedProvider(self._client, self._pace, self._test)
