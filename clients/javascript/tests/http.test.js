// Requests over HTTP.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphQLFailure, createClient } from '../dist/index.js';

/** A client whose requests get these answers, in order, and the requests that it made. */
function answering(answers, options = {}) {
  const requests = [];
  const fetch = async (url, { headers, body, ...init }) => {
    requests.push({ url, headers, body: JSON.parse(body), ...init });
    const answer = answers[requests.length - 1];
    return answer instanceof Response ? answer : Response.json(answer);
  };
  return { client: createClient({ url: 'https://host.test/graphql', fetch, ...options }), requests };
}

const failed = (status, code, headers = {}, extensions = {}) =>
  Response.json({ errors: [{ message: `It is ${code}`, extensions: { code, ...extensions } }] }, { status, headers });

test('a request returns the data', async () => {
  const { client, requests } = answering([{ data: { job: { title: 'x' } } }]);
  const query = 'query($id: ID!) { job(id: $id) { title } }';
  assert.deepEqual(await client.request(query, { id: 'job_1' }), { job: { title: 'x' } });
  const [{ url, method, headers, body }] = requests;
  assert.deepEqual([url, method, body], ['https://host.test/graphql', 'POST', { query, variables: { id: 'job_1' } }]);
  assert.match(headers.accept, /^application\/graphql-response\+json/);
  assert.equal(headers.authorization, undefined);
});

test('errors of the answer reject with their codes', async () => {
  const { client } = answering([{ data: null, errors: [{ message: 'No', path: ['job'], extensions: { code: 'INTERNAL' } }] }]);
  const failure = await client.request('{ job }').catch((reason) => reason);
  assert.ok(failure instanceof GraphQLFailure);
  assert.deepEqual([failure.name, failure.message, failure.code, failure.errors[0].path], ['GraphQLFailure', 'No', 'INTERNAL', ['job']]);
});

test('a rate limit says when to try again', async () => {
  const { client } = answering([failed(429, 'RATE_LIMITED', {}, { retryAfterSeconds: 2.5 })]);
  const failure = await client.request('{ a }').catch((reason) => reason);
  assert.deepEqual([failure.code, failure.retryAfterSeconds], ['RATE_LIMITED', 2.5]);
});

test('an answer of a proxy rejects with its status', async () => {
  const page = new Response('<html>', { status: 503, headers: { 'retry-after': '7' } });
  const { client } = answering([page, new Response('', { status: 404 })]);
  const [down, missing] = [await client.request('{ a }').catch((e) => e), await client.request('{ a }').catch((e) => e)];
  assert.deepEqual([down.code, down.retryAfterSeconds, down.errors[0].extensions.status], ['UNAVAILABLE', 7, 503]);
  assert.deepEqual([missing.code, missing.retryAfterSeconds, missing.errors[0].extensions.status], ['BAD_RESPONSE', undefined, 404]);
});

test('a refused token is asked for again, and the request repeated once', async () => {
  const asked = [];
  const token = (refused) => `token-${asked.push(refused)}`;
  const refused = () => failed(401, 'UNAUTHENTICATED');
  const { client, requests } = answering([refused(), { data: { a: 1 } }, refused(), refused()], { token });
  assert.deepEqual(await client.request('{ a }'), { a: 1 });
  assert.deepEqual(asked, [undefined, 'token-1']);
  assert.deepEqual(requests.map(({ headers }) => headers.authorization), ['Bearer token-1', 'Bearer token-2']);
  assert.equal((await client.request('{ a }').catch((reason) => reason)).code, 'UNAUTHENTICATED');
  assert.equal(requests.length, 4);
});

test('without a token nothing is repeated', async () => {
  const { client, requests } = answering([failed(401, 'UNAUTHENTICATED')], { token: () => undefined });
  await assert.rejects(client.request('{ a }'), { code: 'UNAUTHENTICATED' });
  assert.equal(requests.length, 1);
});

test('errors of the network and an abort reject as they are', async () => {
  const fetch = async (_, { signal }) => {
    signal?.throwIfAborted();
    throw new TypeError('fetch failed');
  };
  const client = createClient({ url: 'https://host.test/graphql', fetch });
  await assert.rejects(client.request('{ a }'), new TypeError('fetch failed'));
  await assert.rejects(client.request('{ a }', {}, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});
