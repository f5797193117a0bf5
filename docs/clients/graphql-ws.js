import { createClient } from 'graphql-ws';
import { FEED } from './feed.js';

export function connect(url, say) {
  let watchdog;
  const rest = () => clearTimeout(watchdog);
  const watch = () => (rest(), (watchdog = setTimeout(() => socket.terminate(), 5_000)));
  const socket = createClient({
    url,
    shouldRetry: () => true, // also when nobody listens at all
    retryAttempts: Infinity,
    retryWait: (tries) => new Promise((go) => setTimeout(go, Math.min(10_000, 500 * 2 ** tries) * (0.5 + Math.random()))),
    keepAlive: 5_000,
    on: {
      connecting: watch,
      connected: () => (rest(), say('live')),
      ping: (received) => received || watch(),
      pong: (received) => received && rest(),
      closed: ({ code }) => (rest(), code === 1000 || say('reconnecting')),
    },
  });
  return socket;
}

export function follow(socket, jobId, { show, end }) {
  const variables = { jobId }; // graphql-ws sends them anew whenever it subscribes again
  let job;
  const next = ({ data, errors }) => {
    if (errors) return socket.terminate(); // come back to where we were
    const message = data.jobEvents;
    variables.after = message.version ?? variables.after;
    job = fold(job, message);
    show(job, message);
  };
  return socket.subscribe({ query: FEED, variables }, { next, error: end, complete: end });
}

export function fold(job, message) {
  if (message.__typename !== 'SceneProgress') return message.job ?? message.current ?? job;
  const { sceneId, percentage, progress } = message;
  if (progress.version < job.version) return job;
  const nodes = job.scenes.nodes.map((scene) => (scene.id === sceneId ? { ...scene, percentage } : scene));
  return { ...job, progress, scenes: { nodes } };
}
