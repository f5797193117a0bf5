"""Query and Mutation: each resolver converts its input, makes one call and wraps the result."""

import strawberry
from strawberry.types.base import get_object_definition

from resolvers.assets import AssetMutation, AssetsQuery
from resolvers.audited import Audited
from resolvers.batches import BatchMutation
from resolvers.jobs import JobMutation
from resolvers.leases import LeaseMutation, LeaseQuery
from resolvers.query import CoreQuery
from resolvers.scenes import SceneMutation
from resolvers.tokens import TokenMutation
from resolvers.webhooks import WebhookMutation, WebhookQuery


@strawberry.type
class Query(CoreQuery, AssetsQuery, LeaseQuery, WebhookQuery):
    """All queries."""


@strawberry.type
class Mutation(JobMutation, SceneMutation, BatchMutation, AssetMutation, LeaseMutation, TokenMutation, WebhookMutation):
    """All mutations."""


# Every mutation is audited, future ones included.
for _field in get_object_definition(Mutation, strict=True).fields:
    _field.extensions.append(Audited())


__all__ = ["Mutation", "Query"]
