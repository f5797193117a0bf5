// Mercurius with its just-in-time compiler and its loaders: node mercurius.js FILE PORT
import Fastify from "fastify";
import mercurius from "mercurius";
import { open, typeDefs } from "./api.js";

const [file, port] = process.argv.slice(2);
const data = open(file);
const app = Fastify();

async function* first(value, events, name) {
  yield { [name]: value };
  for await (const event of events) yield event;
}

app.register(mercurius, {
  schema: typeDefs,
  jit: 1,
  subscription: true,
  resolvers: {
    Query: { jobs: (_, { first }) => ({ nodes: data.jobs(first) }), job: (_, { id }) => data.job(id) },
    Job: { progress: (job) => data.progressOf(job) },
    JobFeedMessage: { resolveType: (message) => message.__typename },
    Mutation: {
      async updateScene(_, { input }, { pubsub }) {
        const { event, payload } = data.updateScene(input);
        const id = event.scene.jobId;
        pubsub.publish({ topic: `events ${id}`, payload: { jobEvents: event } });
        pubsub.publish({ topic: `progress ${id}`, payload: { jobProgress: event.progress } });
        return payload;
      },
    },
    Subscription: {
      jobEvents: {
        subscribe: async (_, { jobId }, { pubsub }) =>
          first(data.snapshot(jobId), await pubsub.subscribe(`events ${jobId}`), "jobEvents"),
      },
      jobProgress: {
        subscribe: async (_, { jobId }, { pubsub }) =>
          first(data.progress(jobId), await pubsub.subscribe(`progress ${jobId}`), "jobProgress"),
      },
    },
  },
  loaders: { Job: { scenes: async (queries) => data.scenesByJob(queries.map(({ obj }) => obj.id)) } },
});

await app.listen({ port: Number(port), host: "127.0.0.1" });
