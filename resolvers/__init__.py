"""The verbs of the API: Query and Mutation. Unpack, call one thing, wrap the answer."""

import strawberry
from strawberry.types.base import get_object_definition

from resolvers.audited import Audited
from resolvers.batches import BatchMutation
from resolvers.jobs import JobMutation
from resolvers.query import Query
from resolvers.scenes import SceneMutation


@strawberry.type
class Mutation(JobMutation, SceneMutation, BatchMutation):
    """The root of changes."""


# All of them, whatever nouns there will be.
for _field in get_object_definition(Mutation, strict=True).fields:
    _field.extensions.append(Audited())


__all__ = ["Mutation", "Query"]
