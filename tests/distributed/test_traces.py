"""One trace runs through the processes of a deployment, and is sent to the collector that the environment names."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support import jobs
from tests.support.deployment import client_of, deployed
from tests.support.postgres import Databases
from tests.support.webhook_calls import hook
from tests.support.webhook_receiver import Received, Receiver, receiving

TRACE_ID, CLIENT_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Sent(NamedTuple):
    """A span as the collector gets it; ids are hexadecimal."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    process: str
    attributes: dict[str, str]
    seconds: float


def spans(received: Sequence[Received]) -> list[Sent]:
    """Return the spans of all requests."""
    found: list[Sent] = []
    for request in received:
        assert request.path == "/v1/traces"
        for group in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            resource = {each.key: each.value.string_value for each in group.resource.attributes}
            assert resource["service.name"] == "scenewire"
            for span in (span for scope in group.scope_spans for span in scope.spans):
                trace_id, span_id, parent_id = (
                    each.hex() for each in (span.trace_id, span.span_id, span.parent_span_id)
                )
                attributes = {each.key: each.value.string_value for each in span.attributes}
                seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
                process = resource["service.instance.id"]
                found.append(Sent(span.name, trace_id, span_id, parent_id, process, attributes, seconds))
    return found


def of_trace(received: Sequence[Received], name: str, **attributes: str) -> list[Sent]:
    """Return the spans of the test's trace with this name and these attributes."""
    wanted = {f"scenewire.{key}": value for key, value in attributes.items()}
    return [
        span
        for span in spans(received)
        if span.trace_id == TRACE_ID and span.name == name and wanted.items() <= span.attributes.items()
    ]


async def one(collector: Receiver, name: str, **attributes: str) -> Sent:
    """Wait for the only such span."""
    (span,) = of_trace(await collector.until(lambda all_: bool(of_trace(all_, name, **attributes))), name, **attributes)
    return span


async def test_mutation_render_event_and_webhook_are_one_trace(
    tmp_path: Path, postgres: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation in a process that serves, the rest in a worker: each span is below the one that caused it."""
    async with receiving() as collector, receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with postgres.fresh() as url:
            async with deployed(tmp_path, url) as deployment:
                api = await deployment.api()
                worker = await deployment.worker()
                async with client_of(api) as client:
                    await hook(client, receiver.url, "SCENE_COMPLETED")
                    client.http.headers["traceparent"] = f"00-{TRACE_ID}-{CLIENT_SPAN}-01"
                    job = await jobs.make(client, jobs.scene(stepSeconds=0.0), start=True)
                    del client.http.headers["traceparent"]
                    (delivered,) = await receiver.count(1)

                    operation = await one(collector, "mutation")
                    queued = await one(collector, "scene.queued", scene=job.scenes[0])
                    render = await one(collector, "scene.render", scene=job.scenes[0])
                    completed = await one(collector, "event.published", events="SCENE_COMPLETED,JOB_SETTLED")
                    delivery = await one(collector, "webhook.delivery", job=job.id)
                log = worker.log.read_text("utf-8")

    assert operation.parent_id == CLIENT_SPAN
    assert (queued.parent_id, render.parent_id) == (operation.span_id, queued.span_id)
    assert (completed.parent_id, delivery.parent_id) == (render.span_id, render.span_id)
    assert delivered.headers["traceparent"] == f"00-{TRACE_ID}-{delivery.span_id}-01"
    assert operation.process != render.process == queued.process
    assert (render.attributes["scenewire.provider"], render.attributes["scenewire.job"]) == ("scripted", job.id)
    assert min(span.seconds for span in (operation, queued, render, completed, delivery)) >= 0
    (line,) = [line for line in log.splitlines() if "[render.finished]" in line]
    assert f"trace_id={TRACE_ID}" in line
    assert f"span_id={render.span_id}" in line
