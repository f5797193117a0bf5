"""Several processes on one Postgres: connection budget, `serve --processes` and workers."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import jobs
from tests.support.client import Client, Stream
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.free_ports import free_port
from tests.support.job_feed import VERSIONS
from tests.support.os_processes import children_of, on_linux, runs
from tests.support.postgres import Databases
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

# Documented in the README.
CONNECTIONS = 12
SUBSCRIBERS = 50
UNTIL_SETTLED = "subscription($id: ID!) { jobEvents(jobId: $id, untilSettled: true) { __typename } }"


@pytest.fixture
async def deployment(tmp_path: Path, postgres: Databases) -> AsyncGenerator[Deployment]:
    with postgres.fresh() as url:
        async with deployed(tmp_path, url) as deployment:
            yield deployment


async def connections(deployment: Deployment, pid: int) -> list[str]:
    """Return the state of each connection of a process."""
    found = await deployment.rows(
        "SELECT state FROM pg_stat_activity WHERE application_name = $1 OR application_name LIKE $1 || ' %'",
        f"scenewire {pid}",
    )
    return [state for (state,) in found]


class TestConnectionBudget:
    """At most twelve connections for each process, and none for a subscriber."""

    async def test_connection_budget_is_kept_under_load(self, deployment: Deployment) -> None:
        """Changes, reads, renders and streams at the same time."""
        server = await deployment.start(
            ServerProcess(deployment.folder, "serve", **deployment.settings, render_concurrency=16)
        )
        async with client_of(server) as client, AsyncExitStack() as stack:
            made = [
                await jobs.make(client, *(jobs.scene(steps=20) for _ in range(8)), start=True, title=f"Job {n}")
                for n in range(5)
            ]
            users = [
                use(client, each.id, await stack.enter_async_context(client.subscribe(UNTIL_SETTLED, id=each.id)))
                for each in made * 2
            ]
            counted: list[int] = []
            load = asyncio.gather(*users)
            while not load.done():
                counted.append(len(await connections(deployment, server.pid)))
                await asyncio.sleep(0.02)
            await load
        assert len(counted) > 10
        assert 4 < max(counted) <= CONNECTIONS

    async def test_idle_subscribers_hold_no_connections(self, deployment: Deployment) -> None:
        """Fifty subscribers, which all receive the next event."""
        api = await deployment.api()
        async with client_of(api) as client, AsyncExitStack() as stack:
            made = [await jobs.make(client, provider="external") for _ in range(5)]
            before = len(await connections(deployment, api.pid))
            streams = [
                await stack.enter_async_context(client.subscribe(VERSIONS, id=made[number % 5].id))
                for number in range(SUBSCRIBERS)
            ]
            for stream in streams:
                await stream.next()
            # The connections of their first reads return to the pool.
            await eventually(lambda: all_idle(deployment, api.pid))
            assert len(await connections(deployment, api.pid)) <= max(before, CONNECTIONS)
            version = await jobs.retitle(client, made[0].id, "Sent to all")
            for stream in streams[::5]:
                assert (await stream.next())["jobEvents"]["version"] == version


async def all_idle(deployment: Deployment, pid: int) -> bool:
    """Whether all connections of the process are idle."""
    return set(await connections(deployment, pid)) == {"idle"}


async def use(client: Client, job_id: str, stream: Stream) -> None:
    """Change and read a job as a user does, then read its events until it is finished."""
    for number in range(5):
        await jobs.retitle(client, job_id, f"Title {number}")
        await jobs.job(client, job_id, "title scenes { nodes { id status takes { id } } } events(first: 5) { version }")
    await stream.rest()


async def shown_at(ports: Sequence[int]) -> bool:
    """Whether a process shows its metrics at each of these ports."""
    try:
        return all([await mutations_of(port) >= 0 for port in ports])
    except httpx.TransportError:
        return False


async def mutations_of(port: int) -> float:
    """Return the number of mutations that the process with this port of metrics has answered."""
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    counted = [each for each in samples if each.name == "scenewire_operations_total"]
    return sum(sample.value for sample in counted if sample.labels["kind"] == "mutation")


class TestProcesses:
    """`serve --processes 2`."""

    @on_linux
    async def test_dead_process_is_replaced(self, deployment: Deployment) -> None:
        """The other one serves meanwhile; a graceful shutdown stops all with exit status 0.

        Each has a port for its metrics, which its successor takes over.
        """
        ports = (port := free_port(following=1), port + 1)
        server = await deployment.api("api", "--processes", "2", metrics_port=port)
        await eventually(lambda: len(children_of(server.pid)) == 2)
        await eventually(lambda: shown_at(ports))
        async with client_of(server) as client:
            made = await jobs.make(client, provider="external")
            counted = [await mutations_of(port) for port in ports]
            assert sorted(counted) == [0.0, 1.0]
            one, _ = before = children_of(server.pid)
            os.kill(one, signal.SIGKILL)
            await eventually(lambda: replaced(server, before))
            # Connections of the dead process are broken; new ones reach the others.
            async with client_of(server) as another:
                for number in range(10):
                    await jobs.retitle(another, made.id, f"Title {number}")
            await eventually(lambda: shown_at(ports))
            after = children_of(server.pid)
            assert len(set(after) & set(before)) == 1
        assert await asyncio.to_thread(server.stop) == 0
        assert not [pid for pid in after if runs(pid)]

    @on_linux
    async def test_process_streams_the_changes_of_the_other_process(self, deployment: Deployment) -> None:
        """To subscribers of any process."""
        server = await deployment.api("api", "--processes", "2")
        await eventually(lambda: len(children_of(server.pid)) == 2)
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client_of(server)) for _ in range(8)]
            made = await jobs.make(clients[0], provider="external")
            streams = [await stack.enter_async_context(each.subscribe(VERSIONS, id=made.id)) for each in clients]
            for stream in streams:
                await stream.next()
            for number, client in enumerate(clients):
                version = await jobs.retitle(client, made.id, f"Title {number}")
                for stream in streams:
                    assert (await stream.next())["jobEvents"]["version"] == version
        assert await asyncio.to_thread(server.stop) == 0

    @on_linux
    async def test_processes_stop_when_their_supervisor_is_killed(self, deployment: Deployment) -> None:
        """So that the port is free for the next supervisor."""
        server = await deployment.api("api", "--processes", "2")
        await eventually(lambda: len(children_of(server.pid)) == 2)
        orphans = children_of(server.pid)
        server.kill()
        await eventually(lambda: not [pid for pid in orphans if runs(pid)])
        await deployment.again(server)
        assert await asyncio.to_thread(server.stop) == 0

    @pytest.mark.usefixtures("sighup_not_ignored")
    async def test_processes_stopped_at_start_have_exit_status_0(self, deployment: Deployment) -> None:
        """A requested stop is no failure; SIGHUP, sent when a terminal closes, requests one too."""
        server = await deployment.api("api", "--processes", "2")
        assert await asyncio.to_thread(server.stop, signal.SIGHUP) == 0


def replaced(server: ServerProcess, before: list[int]) -> bool:
    """Whether two processes run, and not the same as before."""
    now = [pid for pid in children_of(server.pid) if runs(pid)]
    return len(now) == 2 and now != before


class TestWorkers:
    """`worker`."""

    @pytest.mark.usefixtures("sighup_not_ignored")
    async def test_worker_stops_in_order_when_its_terminal_ends(self, deployment: Deployment) -> None:
        """SIGHUP requests a stop, as SIGTERM does."""
        worker = await deployment.worker(port=None)
        assert await asyncio.to_thread(worker.stop, signal.SIGHUP) == 0

    async def test_workers_on_one_machine_listen_on_free_ports(self, deployment: Deployment) -> None:
        """Each logs the address of its health routes."""
        workers = await deployment.workers(2, port=None)
        assert workers[0].url != workers[1].url
        for worker in workers:
            async with client_of(worker) as client:
                health = [(await client.http.get(path)).status_code for path in ("/healthz", "/readyz", "/graphql")]
                assert health == [200, 200, 404]
            assert await asyncio.to_thread(worker.stop) == 0

    async def test_workers_share_renders_within_the_provider_limit(self, deployment: Deployment) -> None:
        """The concurrency limit of a provider holds for all processes together."""
        limited: dict[str, Any] = {"provider_concurrency": '{"scripted": 3}', "render_concurrency": 4}
        api, *workers = await asyncio.gather(
            deployment.api(), *(deployment.worker(f"worker{n}", **limited) for n in range(2))
        )
        async with client_of(api) as client:
            made = await jobs.make(client, *(jobs.scene(steps=10, stepSeconds=0.05) for _ in range(12)), start=True)
            most, workers_seen = 0, set[str]()
            while await jobs.job(client, made.id, "status") == {"status": "PROCESSING"}:
                running = await deployment.rows("SELECT leased_by FROM scene WHERE status = 'PROCESSING'")
                most = max(most, len(running))
                workers_seen |= {worker for (worker,) in running}
                await asyncio.sleep(0.02)
            assert (await jobs.job(client, made.id, "status"))["status"] == "COMPLETED"
        assert most == 3
        assert len(workers_seen) == 2
        for worker in workers:
            assert await asyncio.to_thread(worker.stop, signal.SIGTERM) == 0

    async def test_cancel_in_one_process_stops_the_render_in_another(self, deployment: Deployment) -> None:
        """Within two seconds; the scene can be regenerated."""
        api, _ = await asyncio.gather(deployment.api(), deployment.worker())
        async with client_of(api) as client:
            made = await jobs.make(client, jobs.scene(outcome="stall", steps=1), start=True)
            running = "scenes { nodes { status providerId } }"
            await eventually(lambda: started(client, made.id, running))
            await jobs.change(client, "cancelScene", sceneId=made.scenes[0])
            canceled = asyncio.get_running_loop().time()
            await eventually(lambda: no_ticket(deployment))
            assert asyncio.get_running_loop().time() - canceled <= 2.0
            await jobs.change(client, "regenerateScene", sceneId=made.scenes[0])
            await eventually(lambda: started(client, made.id, running))


async def started(client: Client, job_id: str, selection: str) -> bool:
    """Whether the first scene was submitted to its provider."""
    (scene,) = (await jobs.job(client, job_id, selection))["scenes"]["nodes"]
    return scene["status"] == "PROCESSING" and scene["providerId"] is not None


async def no_ticket(deployment: Deployment) -> bool:
    """Whether the queue is empty."""
    return not await deployment.rows("SELECT id FROM pgqueuer")
