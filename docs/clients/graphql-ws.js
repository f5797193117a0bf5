import { createClient } from 'graphql-ws';

// #region page
export function connect(url, onState) {
  let idleTimer;
  const restartIdleTimer = () => {
    clearTimeout(idleTimer);
    idleTimer = setTimeout(() => socket.terminate(), 10_000);
  };
  const socket = createClient({
    url,
    shouldRetry: () => true, // also on a refused connection, while the server restarts
    retryAttempts: Infinity,
    retryWait: (n) => new Promise((done) => setTimeout(done, Math.min(4e3, 500 * 2 ** n) * (0.5 + Math.random()))),
    keepAlive: 5_000,
    on: {
      connecting: restartIdleTimer,
      connected: () => onState('live'),
      ping: (received) => received || restartIdleTimer(), // without a pong there is no next ping
      closed: ({ code }) => {
        clearTimeout(idleTimer);
        if (code !== 1000) onState('reconnecting');
      },
    },
  });
  return socket;
}

export function subscribe(socket, { query, variables: { ...variables } }, sink) {
  let ended, stop;
  const isTransient = (reason) => ['INTERNAL', 'UNAVAILABLE'].includes(reason[0]?.extensions?.code);
  const isLimited = (reason) => reason[0]?.extensions?.code === 'RATE_LIMITED';
  const next = (result) => {
    if (result.errors) return isTransient(result.errors) ? socket.terminate() : error(result.errors);
    variables.after = result.data.jobEvents?.version ?? variables.after; // sent when graphql-ws resubscribes
    sink.next(result);
  };
  const error = (reason) => {
    if (isTransient(reason)) return start(), socket.terminate(); // reconnect and resubscribe
    if (isLimited(reason)) return startLater(1e3 * reason[0].extensions.retryAfterSeconds);
    end();
    sink.error(new Error(reason[0]?.message ?? reason.reason, { cause: reason }));
  };
  const complete = () => ended || sink.complete(); // graphql-ws also calls it after an unsubscribe
  const start = () => (stop = socket.subscribe({ query, variables }, { next, error, complete }));
  const startLater = (wait) => {
    const timer = setTimeout(start, wait);
    stop = () => clearTimeout(timer);
  };
  const end = () => ((ended = true), stop());
  start();
  return end;
}
// #endregion
