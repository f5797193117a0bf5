"""GraphQL over websocket: the subprotocol graphql-transport-ws."""
