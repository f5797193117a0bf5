"""A request for each mutation of the schema."""

from tests.support.client import Json
from tests.support.id_matrix import ERRORS, MATRIX, SCHEMA, Row

assert SCHEMA.mutation_type is not None
MUTATIONS = SCHEMA.mutation_type.fields
WORKER = {"name": "gpu", "models": ["wan"]}
FAILURE = {"code": "X", "message": "X", "retryable": False}
# The mutations that name no object by an id.
OTHER_INPUTS: dict[str, Json] = {
    "createJob": {"title": "Mine"},
    "createAsset": {"kind": "IMAGE", "contentType": "image/png", "sizeBytes": 1},
    "claimTakes": {"worker": WORKER, "waitSeconds": 0},
    "renewLease": {"token": "x"},
    "finishTake": {"token": "x"},
    "failTake": {"token": "x", "failure": FAILURE},
    "releaseTake": {"token": "x"},
}


def mutations() -> dict[str, Row]:
    """Return a request for each mutation of the schema, about a job or a scene where it can be."""
    found: dict[str, Row] = {}
    for place, row in MATRIX.items():
        name = _mutation(place)
        if name is not None and name not in OTHER_INPUTS:
            found.setdefault(name, row)
    for name, fields in OTHER_INPUTS.items():
        kind = MUTATIONS[name].args["input"].type
        document = f"mutation($input: {kind}) {{ {name}(input: $input) {{ {ERRORS} }} }}"
        found[name] = Row("job", document, {"input": fields})
    return found


def _mutation(place: str) -> str | None:
    kind, _, rest = place.partition(".")
    return rest.partition("(")[0] if kind == "Mutation" else None
