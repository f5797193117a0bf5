"""The fake of Replicate from the outside: started, commanded and asked by tests."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from providers.hosted.retrying import Pace
from providers.port import Failure, Order
from providers.replicate.api import Api
from providers.replicate.model import Model
from providers.replicate.models import Models
from providers.replicate.provider import ReplicateProvider
from providers.replicate.template import Template
from tests.support.orders import made
from tests.support.replicate_state import SECRET, TOKEN, VERSION, Json
from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS

QUICK = Pace(0.02, first_backoff=0.02, last_backoff=0.1, give_up_after=30.0, refusals=300.0, settling=(0.01, 0.02))
# Short time limits.
BRIEF = replace(QUICK, give_up_after=0.3, refusals=0.3)
INPUT = '{"prompt": "{prompt}", "duration": "{duration_seconds}"}'
CALLBACKS = "https://scenewire.test"

OURS = "tests.support.replicate_server"
STRANGE = "tests.support.strange_replicate_server"

NewProvider = Callable[..., ReplicateProvider]


class FakeReplicate:
    """The process, and its commands. `program` is the module that it runs."""

    def __init__(self, program: str = OURS) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.origin = self._process.stdout.readline().strip()
        self._http = httpx.Client(base_url=f"{self.origin}/_fake/", timeout=TIMEOUT_SECONDS)

    def stop(self) -> None:
        """End it."""
        self._http.close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def address(self) -> str:
        """The address of the API."""
        return f"{self.origin}/v1"

    def command(self, name: str, **arguments: Any) -> Json:
        """Send a command to the fake; return its result."""
        return self._http.post(name, json=arguments).raise_for_status().json()

    def behave(self, **commands: Any) -> None:
        """Change how predictions, outputs, lists and webhooks are from now on."""
        self.command("behave", **commands)

    def fault(self, on: str, do: str, **details: Any) -> None:
        """Order a fault for the next request of a kind: create, get, list, cancel or download."""
        self.command("fault", on=on, do=do, **details)

    def counts(self) -> dict[str, int]:
        """How often what was asked for; `creations` is how many predictions were bought."""
        return self.command("state")["counts"]

    def predictions(self) -> list[Json]:
        """All that were bought, oldest first."""
        return self.command("state")["predictions"]

    async def until(self, **counts: int) -> None:
        """Wait until so much was asked for; `looks` is how often each prediction was looked at."""
        answer = await asyncio.to_thread(self.command, "until", **counts)
        assert answer["reached"], answer

    async def send(self, **how: Any) -> int:
        """Have one more webhook about the newest prediction sent; the status it is answered with."""
        return (await asyncio.to_thread(self.command, "send", **how))["status"]

    def settings(self, *, secret: str = SECRET, poll_seconds: float = 0.05) -> dict[str, Any]:
        """What a server needs in order to buy here."""
        return {
            "provider": "replicate",
            "replicate_token": TOKEN,
            "replicate_version": VERSION,
            "replicate_api_url": self.address,
            "replicate_callback_url": CALLBACKS,
            "replicate_webhook_secret": secret,
            "replicate_poll_seconds": poll_seconds,
        }

    def provider(
        self,
        pace: Pace = QUICK,
        *,
        token: str = TOKEN,
        version: str = VERSION,
        template: str = INPUT,
        callbacks: str = CALLBACKS,
        most_bytes: int = 1_000_000,
        address: str | None = None,
    ) -> ReplicateProvider:
        """Make a provider that uses the fake, with short pauses."""
        api = Api(address or self.address, token)
        return ReplicateProvider(
            api,
            Models(api, pace, [Model(version, Template(template), callbacks)]),
            pace,
            lifetime_seconds=1800,
            most_bytes=most_bytes,
        )


async def failure(provider: ReplicateProvider, order: Order) -> tuple[str, bool]:
    """Follow an order that must fail; return the code of its failure, and whether it is retryable."""
    with pytest.raises(Failure) as caught:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await made(provider, order)
    return caught.value.code, caught.value.retryable
