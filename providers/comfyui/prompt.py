"""A prompt of ComfyUI: one run of a workflow, in its queue or in its history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from providers.comfyui.marks import Marks, parse
from providers.comfyui.values import is_object, items


class Phase(Enum):
    """Where a prompt is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


_FINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Prompt:
    """The part of a prompt that is used. `outputs` are those of each node, `seconds` how long it ran."""

    id: str
    phase: Phase
    marks: Marks | None
    outputs: Mapping[str, object] = field(default_factory=dict[str, object])
    error: str = ""
    seconds: float | None = None

    @property
    def finished(self) -> bool:
        """Whether it is in the history."""
        return self.phase in _FINAL


def of_queue(body: object) -> list[Prompt]:
    """Return the prompts in the response of GET /queue: the running ones, then those that wait."""
    lists = {Phase.RUNNING: "queue_running", Phase.PENDING: "queue_pending"}
    return [
        Prompt(str(entry[1]), phase, parse(entry[3]))
        for phase, name in lists.items()
        for entry in _lists(body.get(name) if is_object(body) else None)
        if len(entry) > 3
    ]


def of_history(body: object) -> list[Prompt]:
    """Return the prompts in the response of GET /history."""
    entries = body.items() if is_object(body) else ()
    return [_finished(name, entry) for name, entry in entries if is_object(entry)]


def _finished(name: str, entry: Mapping[str, object]) -> Prompt:
    item, outputs, status = items(entry.get("prompt")), entry.get("outputs"), entry.get("status")
    messages = dict(_messages(status.get("messages") if is_object(status) else None))
    return Prompt(
        id=name,
        phase=_phase(status, messages),
        marks=parse(item[3]) if len(item) > 3 else None,
        outputs=outputs if is_object(outputs) else {},
        error=_error(messages.get("execution_error", {})),
        seconds=_seconds(messages),
    )


def _phase(status: object, messages: Mapping[str, object]) -> Phase:
    if "execution_interrupted" in messages:
        return Phase.INTERRUPTED
    failed = "execution_error" in messages or (is_object(status) and status.get("status_str") == "error")
    return Phase.FAILED if failed else Phase.SUCCEEDED


def _messages(messages: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    for entry in _lists(messages):
        name, data, *_ = (*entry, None, None)
        if is_object(data):
            yield str(name), data


def _error(data: Mapping[str, object]) -> str:
    if not data:
        return ""
    reason = str(data.get("exception_message") or data.get("exception_type") or "no reason").strip()
    return f"{data.get('node_type')} ({data.get('node_id')}): {reason}"


def _seconds(messages: Mapping[str, Mapping[str, object]]) -> float | None:
    times = [messages.get(name, {}).get("timestamp") for name in ("execution_start", "execution_success")]
    match times:
        case [int(start) | float(start), int(end) | float(end)]:
            # In milliseconds.
            return max(0.0, (end - start) / 1000)
        case _:
            return None


def _lists(value: object) -> list[list[object]]:
    return [cast("list[object]", item) for item in items(value) if isinstance(item, list)]
