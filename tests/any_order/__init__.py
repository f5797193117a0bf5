"""Whatever is done in whatever order, through GraphQL's own resolvers, beside a model of the lifecycle that knows."""
