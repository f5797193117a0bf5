"""The verbs of the API: Query and Mutation. Unpack, call one thing, wrap the answer."""

from resolvers.mutation import Mutation
from resolvers.query import Query

__all__ = ["Mutation", "Query"]
