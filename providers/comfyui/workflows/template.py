"""A workflow with its header: what it can make, and the workflow of an order."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from providers.catalogue import AudioSupport, InputRole, Model, Settings
from providers.comfyui.workflows.header import Header, Place
from providers.comfyui.workflows.sizes import frames, size
from providers.port import Failure, Order

# Node by id, in the API format of ComfyUI.
Workflow = dict[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Filled:
    """The workflow of an order. `settings` are those that it has, `ignored` those asked for that it has no place for.

    `digest` is equal for orders that the same clip would do for: a seed that was not asked for does not count.
    """

    workflow: Workflow
    settings: Settings
    ignored: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow in the API format, and its header, whose places exist in it."""

    name: str
    header: Header
    workflow: Workflow

    @property
    def model(self) -> Model:
        """What can be ordered."""
        header = self.header
        shortest, longest = header.durations
        properties = {name: option.schema_ for name, option in header.options.items()}
        schema = {"type": "object", "properties": properties, "additionalProperties": False}
        return Model(
            name=self.name,
            min_duration_seconds=shortest,
            max_duration_seconds=longest,
            durations_seconds=tuple(sorted(header.durations_seconds)) or None,
            aspect_ratios=header.aspect_ratios,
            resolutions=header.resolutions,
            roles=tuple(header.inputs),
            max_references=len(header.inputs.get(InputRole.REFERENCE, ())),
            exclusive=header.exclusive,
            seed=bool(header.slots.seed),
            negative_prompt=bool(header.slots.negative_prompt),
            audio=header.audio,
            max_prompt_length=header.max_prompt_length,
            options_schema=schema if properties else None,
            defaults=Settings(
                model=self.name,
                aspect_ratio=next(iter(header.aspect_ratios), None),
                resolution=next(iter(header.resolutions), None),
            ),
        )

    def weights(self, order: Order) -> Mapping[str, float]:
        """Return how long each node of an order takes, compared with the others."""
        left_out = self._left_out(order)
        return {
            node: self.header.progress.get(node, _steps(fields))
            for node, fields in self.workflow.items()
            if node not in left_out
        }

    def check(self, order: Order) -> None:
        """Raise Failure (INVALID_INPUT) when the order has an input too many, or lacks one."""
        roles = [each.role for each in order.inputs]
        for role in dict.fromkeys(roles):
            most = len(self.header.inputs.get(role, ())) if role is InputRole.REFERENCE else role in self.header.inputs
            if roles.count(role) > most:
                raise _invalid(f"The workflow {self.name} has no place for so many inputs {role}: at most {int(most)}.")
        missing = [role for role in self.header.required if role not in roles]
        if missing:
            raise _invalid(f"The workflow {self.name} needs an input {', '.join(missing)}.")

    def fill(self, order: Order, files: Sequence[str]) -> Filled:
        """Return the workflow of an order, whose inputs have these names at ComfyUI. Raises Failure (INVALID_INPUT)."""
        self.check(order)
        workflow = copy.deepcopy(self.workflow)
        slots = self.header.slots
        _put(workflow, slots.prompt, order.prompt)
        _put(workflow, slots.title, order.title)
        _put(workflow, slots.fps, self.header.fps or None)
        _put(workflow, slots.duration_seconds, order.duration_seconds)
        if slots.frames:
            _put(workflow, slots.frames, frames(order.duration_seconds, self.header.fps, self.header.frames))
        used = self._put_settings(workflow, order)
        self._put_inputs(workflow, order, files)
        return Filled(workflow, used, tuple(self._ignored(order.settings)), self._digest(workflow, order))

    def _put_settings(self, workflow: Workflow, order: Order) -> Settings:
        asked, header, slots = order.settings, self.header, self.header.slots
        seed = asked.seed if asked.seed is not None else _seed(order.key)
        _put(workflow, slots.seed, seed)
        _put(workflow, slots.negative_prompt, asked.negative_prompt)
        _put(workflow, slots.audio, asked.audio)
        if slots.width:
            base = _number(workflow, slots.width[0]), _number(workflow, slots.height[0])
            width, height = size(base, asked.aspect_ratio, asked.resolution, header.multiple_of)
            _put(workflow, slots.width, width)
            _put(workflow, slots.height, height)
        for name, option in header.options.items():
            _put(workflow, option.slot, asked.options.get(name))
        text = _value(workflow, slots.negative_prompt[0]) if slots.negative_prompt else None
        return Settings(
            model=self.name,
            aspect_ratio=asked.aspect_ratio if slots.width else None,
            resolution=asked.resolution if slots.width else None,
            seed=seed if slots.seed else None,
            negative_prompt=text if isinstance(text, str) else None,
            audio=bool(_value(workflow, slots.audio[0])) if slots.audio else header.audio is AudioSupport.ALWAYS,
            options={name: _value(workflow, option.slot[0]) for name, option in header.options.items()},
        )

    def _put_inputs(self, workflow: Workflow, order: Order, files: Sequence[str]) -> None:
        """Name the files in the nodes that load them; nodes of inputs that the order does not have are left out."""
        for role, places in self._filled(order).items():
            names = [file for each, file in zip(order.inputs, files, strict=True) if each.role is role]
            for index, place in enumerate(places):
                _put(workflow, (place,), names[min(index, len(names) - 1)])
        _leave_out(workflow, self._left_out(order))

    def _filled(self, order: Order) -> Mapping[InputRole, Sequence[Place]]:
        """Return the places that the inputs of an order go to: a reference to one, another input to all of its role."""
        roles = [each.role for each in order.inputs]
        counts = {role: roles.count(role) for role in self.header.inputs}
        return {
            role: places[: counts[role]] if role is InputRole.REFERENCE or not counts[role] else places
            for role, places in self.header.inputs.items()
        }

    def _left_out(self, order: Order) -> set[str]:
        """Return the nodes that an order does not need: those of the inputs that it does not have."""
        nodes: set[str] = set()
        for role, filled in self._filled(order).items():
            nodes |= {place.node for place in self.header.inputs[role]} - {place.node for place in filled}
            if not filled:
                nodes.update(self.header.without.get(role, ()))
        return nodes

    def _ignored(self, asked: Settings) -> Iterator[str]:
        slots = self.header.slots
        has_sound = self.header.audio is AudioSupport.ALWAYS
        lacking = {
            "aspectRatio": asked.aspect_ratio is not None and not slots.width,
            "resolution": asked.resolution is not None and not slots.width,
            "seed": asked.seed is not None and not slots.seed,
            "negativePrompt": asked.negative_prompt is not None and not slots.negative_prompt,
            "audio": asked.audio is not None and not slots.audio and asked.audio is not has_sound,
        }
        yield from (name for name, lacks in lacking.items() if lacks)
        yield from (f"options.{name}" for name in asked.options if name not in self.header.options)

    def _digest(self, workflow: Workflow, order: Order) -> str:
        if order.settings.seed is None and self.header.slots.seed:
            workflow = copy.deepcopy(workflow)
            _put(workflow, self.header.slots.seed, "any")
        return hashlib.sha256(json.dumps(workflow, sort_keys=True).encode(errors="surrogatepass")).hexdigest()


def _put(workflow: Workflow, places: Sequence[Place], value: object) -> None:
    """Set a value that is not None at these places."""
    for place in places if value is not None else ():
        _inputs(workflow[place.node])[place.input] = value


def _value(workflow: Workflow, place: Place) -> object:
    return _inputs(workflow[place.node]).get(place.input)


def _number(workflow: Workflow, place: Place) -> int:
    value = _value(workflow, place)
    return value if isinstance(value, int) else 0


def _inputs(node: Mapping[str, object]) -> dict[str, object]:
    return cast("dict[str, object]", node["inputs"])


def _leave_out(workflow: Workflow, nodes: set[str]) -> None:
    for node in nodes:
        workflow.pop(node, None)
    for fields in workflow.values():
        inputs = _inputs(fields)
        for name in [name for name, value in inputs.items() if _linked(value) in nodes]:
            del inputs[name]


def _linked(value: object) -> str | None:
    """Return the node that an input is linked to, as [id, index of the output]."""
    match value:
        case [str(node), int()]:
            return node
        case _:
            return None


def _steps(node: Mapping[str, object]) -> float:
    steps = _inputs(node).get("steps")
    return float(steps) if isinstance(steps, int) and steps > 0 else 1.0


def _seed(key: str) -> int:
    """Return the seed of an order that names none: the same after a restart."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])


def _invalid(message: str) -> Failure:
    return Failure("INVALID_INPUT", message, retryable=False)
