import test from 'node:test';
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { drop, DROPS, ws } from './address.js';

const connect = (options = {}) =>
  createClient({ url: ws, webSocketImpl: WebSocket, retryWait: async () => {}, ...options });

const collect = async (client, payload) => {
  const results = [];
  for await (const result of client.iterate(payload)) results.push(result);
  return results;
};

test('runs a query', async () => {
  const client = connect();
  assert.deepEqual(
    await collect(client, { query: 'query($n: String!) { hello(name: $n) }', variables: { n: 'you' } }),
    [{ data: { hello: 'Hello you' } }],
  );
  await client.dispose();
});

test('runs a mutation', async () => {
  const client = connect();
  assert.deepEqual(await collect(client, { query: 'mutation { write(value: "x") }' }), [{ data: { write: 'x' } }]);
  await client.dispose();
});

test('follows a subscription to its end', async () => {
  const client = connect();
  assert.deepEqual(await collect(client, { query: 'subscription { count(to: 3) }' }), [
    { data: { count: 1 } },
    { data: { count: 2 } },
    { data: { count: 3 } },
  ]);
  await client.dispose();
});

test('reports a request error without ending the other subscriptions', async () => {
  const client = connect({ lazy: false });
  const stream = client.iterate({ query: 'subscription { forever }' });
  assert.deepEqual((await stream.next()).value, { data: { forever: 1 } });
  await assert.rejects(collect(client, { query: '{' }), (errors) => {
    assert.equal(errors[0].extensions.code, 'GRAPHQL_PARSE_FAILED');
    return true;
  });
  assert.deepEqual(await collect(client, { query: '{ hello }' }), [{ data: { hello: 'Hello world' } }]);
  await stream.return();
  await client.dispose();
});

test('receives the payload of its pings in pongs', async () => {
  let echo;
  const pong = new Promise((resolve) => (echo = resolve));
  const client = connect({
    lazy: false,
    keepAlive: 20,
    on: { pong: (received, payload) => received && echo(payload) },
  });
  await pong;
  await client.dispose();
});

for (const how of DROPS) {
  test(`reconnects and subscribes again after a ${how}`, async () => {
    let connected = 0;
    const client = connect({ on: { connected: () => (connected += 1) } });
    const stream = client.iterate({ query: 'subscription { forever }' });
    assert.deepEqual((await stream.next()).value, { data: { forever: 1 } });
    await drop(how);
    assert.deepEqual((await stream.next()).value, { data: { forever: 1 } });
    assert.equal(connected, 2);
    await stream.return();
    await client.dispose();
  });
}

test('receives the close code although it is still sending', async () => {
  for (let i = 0; i < 8; i += 1) {
    const code = await new Promise((resolve) => {
      const socket = new WebSocket(ws, 'graphql-transport-ws', { perMessageDeflate: false });
      socket.on('open', () => socket.send('x'.repeat(3_000_000)));
      socket.on('close', resolve);
      socket.on('error', () => {});
    });
    assert.equal(code, 1009);
  }
});
