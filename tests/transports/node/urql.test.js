import test from 'node:test';
import assert from 'node:assert/strict';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { drop, DROPS, http, ws } from './address.js';

const connect = () => {
  const types = [];
  const socket = createClient({ url: ws, webSocketImpl: WebSocket, retryWait: async () => {} });
  const client = new Client({
    url: http,
    preferGetMethod: false,
    fetch: async (...request) => {
      const response = await fetch(...request);
      types.push(response.headers.get('content-type'));
      return response;
    },
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
        }),
      }),
    ],
  });
  return { client, socket, types };
};

const take = (source, count) =>
  new Promise((resolve) => {
    const results = [];
    const { unsubscribe } = source.subscribe((result) => {
      results.push(result.data);
      if (results.length === count) {
        setImmediate(() => unsubscribe());
        resolve(results);
      }
    });
  });

test('runs a query, and receives JSON although it accepts a stream', async () => {
  const { client, types } = connect();
  const { data, error } = await client.query('query($n: String!) { hello(name: $n) }', { n: 'you' });
  assert.equal(error, undefined);
  assert.deepEqual(data, { hello: 'Hello you' });
  assert.deepEqual(types, ['application/graphql-response+json; charset=utf-8']);
});

test('runs a mutation', async () => {
  const { client } = connect();
  const { data } = await client.mutation('mutation { write(value: "x") }', {});
  assert.deepEqual(data, { write: 'x' });
});

test('reads the errors of a 400', async () => {
  const { client } = connect();
  const { error } = await client.query('{ nothing }', {});
  assert.equal(error.graphQLErrors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

test('follows a subscription over websocket', async () => {
  const { client, socket } = connect();
  const results = await take(client.subscription('subscription { count(to: 2) }', {}), 2);
  assert.deepEqual(results, [{ count: 1 }, { count: 2 }]);
  await socket.dispose();
});

test('follows a subscription over server-sent events', async () => {
  const client = new Client({ url: http, preferGetMethod: false, fetchSubscriptions: true, exchanges: [fetchExchange] });
  const results = await take(client.subscription('subscription { count(to: 2) }', {}), 2);
  assert.deepEqual(results, [{ count: 1 }, { count: 2 }]);
});

for (const how of DROPS) {
  test(`resumes a subscription after a ${how}`, async () => {
    const { client, socket } = connect();
    let dropped = false;
    socket.on('message', (message) => {
      if (message.type === 'next' && !dropped) {
        dropped = true;
        drop(how);
      }
    });
    const results = await take(client.subscription('subscription { forever }', {}), 2);
    assert.deepEqual(results, [{ forever: 1 }, { forever: 1 }]);
    await socket.dispose();
  });
}
