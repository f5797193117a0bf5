import test from 'node:test';
import assert from 'node:assert/strict';
import { createClient } from 'graphql-sse';
import { drop, DROPS, http } from './address.js';

const connect = () => createClient({ url: http, retry: async () => {} });

const collect = async (payload) => {
  const client = connect();
  const results = [];
  for await (const result of client.iterate(payload)) results.push(result);
  client.dispose();
  return results;
};

test('runs a query', async () => {
  assert.deepEqual(await collect({ query: '{ hello }' }), [{ data: { hello: 'Hello world' } }]);
});

test('runs a mutation', async () => {
  assert.deepEqual(await collect({ query: 'mutation { write(value: "x") }' }), [{ data: { write: 'x' } }]);
});

test('follows a subscription to its end', async () => {
  assert.deepEqual(await collect({ query: 'subscription { count(to: 3) }' }), [
    { data: { count: 1 } },
    { data: { count: 2 } },
    { data: { count: 3 } },
  ]);
});

test('reads a request error from the stream', async () => {
  const [result] = await collect({ query: '{ nothing }' });
  assert.equal(result.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
});

for (const how of DROPS) {
  test(`connects and subscribes again after a ${how}`, async () => {
    const client = connect();
    const stream = client.iterate({ query: 'subscription { forever }' });
    assert.deepEqual((await stream.next()).value, { data: { forever: 1 } });
    await drop(how);
    assert.deepEqual((await stream.next()).value, { data: { forever: 1 } });
    await stream.return();
    client.dispose();
  });
}
