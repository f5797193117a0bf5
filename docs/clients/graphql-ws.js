import { createClient } from 'graphql-ws';
import { FEED } from './feed.js';

// #region page
export function connect(url, say) {
  let silence;
  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => socket.terminate(), 10_000);
  };
  const socket = createClient({
    url,
    shouldRetry: () => true, // also when nobody listens: a server that is being restarted
    retryAttempts: Infinity,
    retryWait: (n) => new Promise((go) => setTimeout(go, Math.min(4e3, 500 * 2 ** n) * (0.5 + Math.random()))),
    keepAlive: 5_000,
    on: {
      connecting: listen,
      connected: () => say('live'),
      ping: (received) => received || listen(), // no answer, no next ping
      closed: ({ code }) => {
        clearTimeout(silence);
        if (code !== 1000) say('reconnecting');
      },
    },
  });
  return socket;
}

export function subscribe(socket, { query, variables: { ...variables } }, sink) {
  let over, stop;
  const passes = (reason) => ['INTERNAL', 'UNAVAILABLE'].includes(reason[0]?.extensions?.code);
  const next = (result) => {
    if (result.errors) return passes(result.errors) ? socket.terminate() : error(result.errors);
    variables.after = result.data.jobEvents?.version ?? variables.after; // graphql-ws sends it when it comes back
    sink.next(result);
  };
  const error = (reason) => {
    if (passes(reason)) return start(), socket.terminate(); // as if the line had been cut
    end();
    sink.error(new Error(reason[0]?.message ?? reason.reason, { cause: reason }));
  };
  const complete = () => over || sink.complete(); // it also calls this for whoever has gone
  const start = () => (stop = socket.subscribe({ query, variables }, { next, error, complete }));
  const end = () => ((over = true), stop());
  start();
  return end;
}

export function follow(socket, jobId, { show, end }) {
  let job;
  const next = ({ data: { jobEvents: message } }) => show((job = fold(job, message)), message);
  return subscribe(socket, { query: FEED, variables: { jobId } }, { next, error: end, complete: end });
}

export function fold(job, message) {
  if (message.__typename !== 'SceneProgress') return message.job ?? message.current ?? job;
  const { sceneId, percentage, progress } = message;
  if (progress.version < job.version) return job; // the job we show is newer already
  const nodes = job.scenes.nodes.map((scene) => (scene.id === sceneId ? { ...scene, percentage } : scene));
  return { ...job, progress, scenes: { ...job.scenes, nodes } };
}
// #endregion
