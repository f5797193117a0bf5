// Where the sample application listens, and how to make it drop its clients.
export const http = process.env.GRAPHQL_HTTP;
export const ws = process.env.GRAPHQL_WS;

// `how` is "close", with a close frame or the stream's end, or "abort", with a reset of the connection.
export const drop = async (how) => {
  const response = await fetch(new URL(`/drop/${how}`, http), { method: 'POST' });
  if (!response.ok) throw new Error(`could not drop: ${response.status}`);
};

export const DROPS = ['close', 'abort'];
