"""Descriptions in the schema that clients introspect."""

from tests.support.server_app import App

ROOTS = "{ __schema { types { name fields { name description } } } }"


async def test_every_query_mutation_and_subscription_has_a_description(app: App) -> None:
    """The explorer and code generators show the descriptions."""
    types = {each["name"]: each["fields"] for each in (await app.execute(ROOTS))["__schema"]["types"]}
    fields = [(root, field) for root in ("Query", "Mutation", "Subscription") for field in types[root]]
    assert len(fields) > 30
    assert [f"{root}.{field['name']}" for root, field in fields if not (field["description"] or "").strip()] == []
