"""The input files of leased takes, for download by their workers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from coordinator.assets.input_files import InputFiles, StoredInput
from coordinator.workdirs import workdir
from providers.catalogue import InputRole


class LeaseFile(NamedTuple):
    """A stored input file: its role, and its name in the prompt."""

    role: InputRole
    name: str | None
    key: str
    content_type: str
    size_bytes: int


async def prepared(input_files: InputFiles | None, inputs: Sequence[Mapping[str, Any]] | None) -> tuple[LeaseFile, ...]:
    """Return the files of the inputs of a take, in order; pictures of takes are made. Raises Failure."""
    if not inputs or input_files is None:
        return ()
    async with workdir() as folder:
        found = await input_files.of(inputs, folder)
    return tuple(
        LeaseFile(each.role, each.name, each.key, each.content_type, each.size_bytes)
        for each in found
        if isinstance(each, StoredInput)
    )
