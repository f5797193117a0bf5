"""The workflow templates of a folder: one file for each model, checked when the server starts."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from providers.comfyui.values import is_object
from providers.comfyui.workflows.header import Header, Place
from providers.comfyui.workflows.template import Template, Workflow
from providers.port import Failure

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
EXPORT = 'is not in the API format: use "Export (API)" of ComfyUI'


class WrongTemplate(ValueError):
    """A file is not a valid template. The message is one line, and begins with the name of the file."""


class Templates:
    """Templates by the names of their models; the first is the default."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._templates = {template.name: template for template in templates}

    def __iter__(self) -> Iterator[Template]:
        return iter(self._templates.values())

    def named(self, model: str | None) -> Template:
        """Return the template of a model, of the default one for None. Raises Failure (INVALID_INPUT)."""
        template = self._templates.get(model) if model is not None else next(iter(self._templates.values()))
        if template is None:
            message = f"There is no workflow {model} any more, only {', '.join(self._templates)}."
            raise Failure("INVALID_INPUT", message, retryable=False)
        return template


def load(folder: Path) -> Templates:
    """Read all files *.json of a folder, sorted by name. Raises WrongTemplate."""
    try:
        files = sorted(folder.glob("*.json"))
        templates = [_template(file) for file in files]
    except OSError as error:
        raise WrongTemplate(f"{error.filename}: {error.strerror}") from error
    if not templates:
        raise WrongTemplate(f"{folder} has no file *.json")
    return Templates(templates)


def _template(file: Path) -> Template:
    try:
        return parse(file.stem, json.loads(file.read_bytes()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise WrongTemplate(f"{file.name}: scenewire{'.' * bool(where)}{where} {reason}") from error
    except (ValueError, RecursionError) as error:
        raise WrongTemplate(f"{file.name}: {error}") from error


def parse(name: str, document: object) -> Template:
    """Return the template in a JSON document of the two fields `scenewire`, the header, and `workflow`.

    Raises ValueError; for errors of the header, ValidationError of pydantic.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("the name must have letters, digits, '.', '_' and '-' only")
    if not is_object(document) or set(document) != {"scenewire", "workflow"}:
        raise ValueError("needs the two fields scenewire and workflow")
    workflow = _workflow(document["workflow"])
    header = Header.model_validate(document["scenewire"])
    for field, places in header.places.items():
        for place in places:
            _check_place(workflow, field, place)
    for field, nodes in _nodes(header).items():
        if unknown := sorted(set(nodes) - set(workflow)):
            raise ValueError(f"scenewire.{field}: the workflow has no node {unknown[0]}")
    for place in (*header.slots.width[:1], *header.slots.height[:1]):
        value = _inputs(workflow, place).get(place.input)
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"scenewire.slots: {place} is not a number of pixels")
    return Template(name, header, workflow)


def _workflow(document: object) -> Workflow:
    if not is_object(document) or not document:
        raise ValueError(f"workflow {EXPORT}")
    for node in document.values():
        if not is_object(node) or not isinstance(node.get("class_type"), str) or not is_object(node.get("inputs")):
            raise ValueError(f"workflow {EXPORT}")
    return cast("Workflow", document)


def _check_place(workflow: Workflow, field: str, place: Place) -> None:
    if place.node not in workflow:
        raise ValueError(f"scenewire.{field}: the workflow has no node {place.node}")
    inputs = _inputs(workflow, place)
    if place.input not in inputs:
        message = f"node {place.node} has no input {place.input}, only {', '.join(inputs)}"
        raise ValueError(f"scenewire.{field}: {message}")


def _nodes(header: Header) -> Mapping[str, Sequence[str]]:
    """Return the nodes that the header names besides places, by its fields."""
    left_out = {f"without.{role}": nodes for role, nodes in header.without.items()}
    return left_out | {"output": (header.output,) if header.output else (), "progress": tuple(header.progress)}


def _inputs(workflow: Workflow, place: Place) -> dict[str, object]:
    return cast("dict[str, object]", workflow[place.node]["inputs"])
