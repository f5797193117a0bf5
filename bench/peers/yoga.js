// GraphQL Yoga with graphql-ws, as its documentation shows: node yoga.js FILE PORT
import { createServer } from "node:http";
import { createPubSub, createSchema, createYoga } from "graphql-yoga";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { open, typeDefs } from "./api.js";

const [file, port] = process.argv.slice(2);
const data = open(file);
const pubSub = createPubSub();

async function* first(value, events) {
  yield value;
  yield* events;
}

const schema = createSchema({
  typeDefs,
  resolvers: {
    Query: { jobs: (_, { first }) => ({ nodes: data.jobs(first) }), job: (_, { id }) => data.job(id) },
    Job: { progress: (job) => data.progressOf(job), scenes: (job) => data.scenesByJob([job.id])[0] },
    Mutation: {
      updateScene(_, { input }) {
        const { event, payload } = data.updateScene(input);
        pubSub.publish("events", event.scene.jobId, event);
        pubSub.publish("progress", event.scene.jobId, event.progress);
        return payload;
      },
    },
    Subscription: {
      jobEvents: {
        subscribe: (_, { jobId }) => first(data.snapshot(jobId), pubSub.subscribe("events", jobId)),
        resolve: (message) => message,
      },
      jobProgress: {
        subscribe: (_, { jobId }) => first(data.progress(jobId), pubSub.subscribe("progress", jobId)),
        resolve: (message) => message,
      },
    },
  },
});

const yoga = createYoga({ schema, logging: false });
const server = createServer(yoga);
const sockets = new WebSocketServer({ server, path: yoga.graphqlEndpoint });
useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (context, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length ? errors : args;
    },
  },
  sockets,
);
server.listen(Number(port), "127.0.0.1");
