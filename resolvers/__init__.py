"""The verbs of the API: Query and Mutation. Unpack, call one thing, wrap the answer."""

import strawberry

from resolvers.jobs import JobMutation
from resolvers.query import Query
from resolvers.scenes import SceneMutation


@strawberry.type
class Mutation(JobMutation, SceneMutation):
    """The root of changes."""


__all__ = ["Mutation", "Query"]
