import test from 'node:test';
import assert from 'node:assert/strict';
import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { http, ws } from './address.js';
import { noting } from './persisted.js';

const connect = (options) => {
  const { noted, requests } = noting();
  const client = new Client({
    url: http,
    preferGetMethod: false,
    fetch: noted,
    exchanges: [persistedExchange(options), fetchExchange],
  });
  return { client, requests };
};

const QUERY = 'query Greet($n: String!) { hello(name: $n) }';

test('registers a query, then sends its hash alone, by POST', async () => {
  const first = connect({ preferGetForPersistedQueries: false });
  assert.deepEqual((await first.client.query(QUERY, { n: 'one' })).data, { hello: 'Hello one' });
  assert.deepEqual(first.requests, ['POST identifier 200', 'POST document 200']);
  const second = connect({ preferGetForPersistedQueries: false });
  assert.deepEqual((await second.client.query(QUERY, { n: 'two' })).data, { hello: 'Hello two' });
  assert.deepEqual(second.requests, ['POST identifier 200']);
});

test('sends the hash by GET', async () => {
  const document = 'query ByGet { hello }';
  const first = connect({ preferGetForPersistedQueries: true });
  assert.deepEqual((await first.client.query(document, {})).data, { hello: 'Hello world' });
  assert.match(first.requests.join(), /^GET identifier 200,(GET|POST) document 200$/);
  const second = connect({ preferGetForPersistedQueries: true });
  assert.deepEqual((await second.client.query(document, {})).data, { hello: 'Hello world' });
  assert.deepEqual(second.requests, ['GET identifier 200']);
});

test('runs a mutation', async () => {
  const { client, requests } = connect({ enableForMutation: true });
  assert.deepEqual((await client.mutation('mutation { write(value: "x") }', {})).data, { write: 'x' });
  assert.deepEqual(requests, ['POST identifier 200', 'POST document 200']);
});

test('is refused with a wrong hash', async () => {
  const { client, requests } = connect({
    preferGetForPersistedQueries: false,
    generateHash: async () => '0'.repeat(64),
  });
  const { error } = await client.query('{ hello }', {});
  assert.equal(error.graphQLErrors[0].extensions.code, 'DOCUMENT_MISMATCH');
  assert.deepEqual(requests, ['POST identifier 200', 'POST document 400']);
});

test('runs a trusted document by its identifier', async () => {
  process.env.NODE_ENV = 'production'; // elsewhere urql looks for the operation in the document
  const { client, requests } = connect({});
  const document = { kind: 'Document', definitions: [], documentId: 'hello-v1' };
  assert.deepEqual((await client.query(document, { name: 'you' })).data, { hello: 'Hello you' });
  assert.deepEqual(requests, ['GET identifier 200']);
});

test('follows a trusted subscription by its identifier over websocket', async () => {
  const socket = createClient({ url: ws, webSocketImpl: WebSocket });
  const client = new Client({
    url: http,
    preferGetMethod: false,
    exchanges: [
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, documentId: 'count-v1', query: '' }, sink) }),
        }),
      }),
    ],
  });
  const results = await new Promise((resolve) => {
    const found = [];
    client.subscription('subscription { count(to: 2) }', {}).subscribe(({ data }) => {
      found.push(data);
      if (found.length === 2) resolve(found);
    });
  });
  assert.deepEqual(results, [{ count: 1 }, { count: 2 }]);
  await socket.dispose();
});
