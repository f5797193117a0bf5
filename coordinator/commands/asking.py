"""What a scene asks of its model: its settings and inputs, and the checks of them before anything is bought."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa

from coordinator.commands import fitting, scene_inputs
from coordinator.commands.catalogue import Models
from coordinator.commands.fitting import Asked
from coordinator.commands.inputs import NewScene, SceneEdit
from models.db.prepared import Call, Prepared
from models.db.rows import JobRow, SceneRow
from models.db.tables import SCENE_INPUT
from models.domain import settings
from models.domain.errors import DomainErrors
from models.domain.json_values import same_json
from models.domain.rules import Problems
from models.writes.change import Change

CONTENT = ("title", "prompt", "duration_seconds", "metadata", "settings", "inputs")
"""The fields that the owner of a scene edits."""

_ASKED = frozenset({"prompt", "duration_seconds", "settings", "inputs"})
_FORGET = Prepared(
    sa.delete(SCENE_INPUT).where(SCENE_INPUT.c.scene_id == sa.bindparam("of_scene", type_=SCENE_INPUT.c.scene_id.type))
)


def changes_order(edit: SceneEdit) -> bool:
    """Return whether the edit is about what is asked of the model."""
    return not edit.keys().isdisjoint(_ASKED)


def check_shape(problems: Problems, edit: Mapping[str, Any], path: Sequence[str]) -> None:
    """Add what is not well-formed in the settings and inputs of an edit or a new scene."""
    if "settings" in edit:
        settings.check(problems, edit["settings"], [*path, "settings"])
    if "inputs" in edit:
        settings.check_inputs(problems, edit["inputs"], [*path, "inputs"])


def changed_columns(scene: SceneRow, edit: SceneEdit) -> dict[str, Any]:
    """Return the columns that the edit changes, as they are stored."""
    given: dict[str, Any] = {name: value for name, value in edit.items() if name in CONTENT}
    if "settings" in given:
        named = settings.without_provider(scene.provider, given["settings"])
        given["settings"] = settings.edited(scene.settings, named)
    if "inputs" in given:
        given["inputs"] = settings.stored_inputs(given["inputs"])
    return {name: value for name, value in given.items() if not same_json(getattr(scene, name), value)}


async def check_edit(
    change: Change, models: Models, scene: SceneRow, columns: Mapping[str, Any], path: Sequence[str]
) -> None:
    """Check the scene as these columns make it. Raises DomainErrors with everything that does not fit."""
    if columns.keys().isdisjoint(_ASKED):
        return
    check_fits(models, change.job, after(scene, columns), path)
    if columns.get("inputs"):
        await scene_inputs.check(change, columns["inputs"], [*path, "inputs"])


def after(scene: SceneRow, columns: Mapping[str, Any]) -> SceneRow:
    """Return the scene as these columns make it."""
    return scene._replace(**dict(columns))


def check_fits(models: Models, job: JobRow, scene: SceneRow, path: Sequence[str]) -> None:
    """Raise DomainErrors with everything that the model of the scene cannot do."""
    asked = Asked(
        settings.folded(scene.settings, job.settings), scene.inputs or (), scene.prompt, scene.duration_seconds
    )
    found = fitting.refusals(models, job.provider, asked, path)
    if found:
        raise DomainErrors(found)


def check_new(models: Models, job: JobRow, new: NewScene, path: Sequence[str], *, elsewhere: bool = False) -> None:
    """Raise DomainErrors with everything that the model of a new scene cannot do."""
    own = settings.without_provider(job.provider, new.settings)
    asked = Asked(
        settings.folded(settings.edited(None, own), job.settings), new.inputs or (), new.prompt, new.duration_seconds
    )
    found = fitting.refusals(models, job.provider, asked, path, elsewhere=elsewhere)
    if found:
        raise DomainErrors(found)


async def write_inputs(change: Change, scene: SceneRow, columns: Mapping[str, Any]) -> None:
    """Write which assets and takes the inputs of a scene name, if the columns change them."""
    if "inputs" in columns:
        if scene.inputs:
            await change.execute(Call(_FORGET, [{"of_scene": scene.id}]))
        insert_inputs(change, scene.id, columns["inputs"])


def insert_inputs(change: Change, scene_id: str, inputs: Sequence[Mapping[str, Any]] | None) -> None:
    """Write which assets and takes these inputs name."""
    for ref in settings.refs(inputs):
        change.pending.insert(SCENE_INPUT, {"scene_id": scene_id, "ref": ref})


def take_columns(models: Models, job: JobRow, scene: SceneRow) -> dict[str, Any]:
    """Return the columns of a take that begins now: what is asked of its provider."""
    return {"settings": models.effective(job.provider, scene.settings, job.settings), "inputs": scene.inputs}


def new_columns(provider: str, new: NewScene, models: Models, of_job: settings.Stored) -> dict[str, Any]:
    """Return the columns of a new scene that say what is asked; a length that is not given is one of its model."""
    own = settings.edited(None, settings.without_provider(provider, new.settings))
    seconds = new.duration_seconds
    if seconds is None:
        name = cast("str | None", settings.folded(own, of_job).get("model"))
        seconds = fitting.default_duration(models.find(provider, name))
    return {
        "prompt": new.prompt,
        "duration_seconds": seconds,
        "settings": own,
        "inputs": settings.stored_inputs(new.inputs),
    }
