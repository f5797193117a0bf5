import { GraphQLFailure, failure } from './failures.js';
import type { TokenSource } from './tokens.js';

const ACCEPT = 'application/graphql-response+json, application/json;q=0.9';

interface Answer {
  data?: unknown;
  errors?: GraphQLFailure['errors'];
}

/**
 * Sends one query or mutation. A refused token is renewed once. Rejects with GraphQLFailure, with what `fetch` rejects
 * with, or with what the token source throws.
 */
export async function post(
  send: typeof fetch,
  url: string,
  tokenSource: TokenSource | undefined,
  body: { query: string; variables: unknown },
  signal?: AbortSignal,
): Promise<unknown> {
  const attempt = async (refused?: string): Promise<[Response, string | undefined]> => {
    const token = await tokenSource?.(refused);
    const headers: Record<string, string> = { accept: ACCEPT, 'content-type': 'application/json' };
    if (token) headers['authorization'] = `Bearer ${token}`;
    return [await send(url, { method: 'POST', headers, body: JSON.stringify(body), signal: signal ?? null }), token];
  };
  let [response, token] = await attempt();
  if (response.status === 401 && token) [response] = await attempt(token);
  return dataOf(response);
}

async function dataOf(response: Response): Promise<unknown> {
  const answer = (await response.json().catch(() => undefined)) as Answer | undefined;
  if (answer?.errors?.length) throw new GraphQLFailure(answer.errors);
  if (response.ok && answer?.data) return answer.data;
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  const code = [502, 503, 504].includes(response.status) ? 'UNAVAILABLE' : 'BAD_RESPONSE';
  throw failure(code, `The server answered ${response.status} without a GraphQL result`, {
    status: response.status,
    ...(seconds >= 0 && { retryAfterSeconds: seconds }),
  });
}
