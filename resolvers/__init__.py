"""The verbs of the API: Query and Mutation. Unpack, call one thing, wrap the answer."""

import strawberry
from strawberry.types.base import get_object_definition

from resolvers.audited import Audited
from resolvers.batches import BatchMutation
from resolvers.jobs import JobMutation
from resolvers.query import CoreQuery
from resolvers.scenes import SceneMutation
from resolvers.webhooks import WebhookMutation, WebhookQuery


@strawberry.type
class Query(CoreQuery, WebhookQuery):
    """The root of reads."""


@strawberry.type
class Mutation(JobMutation, SceneMutation, BatchMutation, WebhookMutation):
    """The root of changes."""


# All of them, whatever nouns there will be.
for _field in get_object_definition(Mutation, strict=True).fields:
    _field.extensions.append(Audited())


__all__ = ["Mutation", "Query"]
