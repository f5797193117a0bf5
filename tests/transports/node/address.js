// The URLs of the sample application, and a call that makes it drop its clients.
export const http = process.env.GRAPHQL_HTTP;
export const ws = process.env.GRAPHQL_WS;

// `how` is "close" (a close frame of a restart, or the end of the stream), "crowd" (a close frame that asks to retry
// later) or "abort" (a reset connection).
export const drop = async (how) => {
  const response = await fetch(new URL(`/drop/${how}`, http), { method: 'POST' });
  if (!response.ok) throw new Error(`could not drop: ${response.status}`);
};

export const DROPS = ['close', 'crowd', 'abort'];
