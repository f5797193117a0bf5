"""The fields of a fal model, by the OpenAPI document that https://fal.ai/docs/platform-apis/v1/models expands."""

from collections.abc import Iterator

from providers.hosted.mapping import Mapped, mapped
from providers.hosted.schema import Schema, is_object


def described(name: str, document: Schema) -> Mapped:
    """Return the meaning of the fields of a model's input. Raises ValueError for an unusable document."""
    paths = document.get("paths")
    found = dict(_inputs(paths)) if is_object(paths) else {}
    schema = found.get(f"/{name}") or next(iter(found.values()), None)
    return mapped(document, schema)


def _inputs(paths: Schema) -> Iterator[tuple[str, object]]:
    """Yield the schema of the body of each path that takes one."""
    for path, methods in paths.items():
        value: object = methods
        for step in ("post", "requestBody", "content", "application/json", "schema"):
            value = value.get(step) if is_object(value) else None
        if is_object(value):
            yield path, value
