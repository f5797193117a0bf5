"""Every mutation of one scene, for tests of the rules that they share."""

from tests.support.client import Json

# The name of each mutation, a status in which it is accepted, and its other fields.
SCENE_MUTATIONS: dict[str, tuple[str, Json]] = {
    "updateScene": ("PENDING", {"title": "New"}),
    "regenerateScene": ("COMPLETED", {}),
    "cancelScene": ("PENDING", {}),
    "deleteScene": ("COMPLETED", {}),
    "moveScene": ("PENDING", {"position": 0}),
}
