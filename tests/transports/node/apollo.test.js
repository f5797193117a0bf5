import test from 'node:test';
import assert from 'node:assert/strict';
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { OperationTypeNode } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { drop, DROPS, http, ws } from './address.js';

const connect = () => {
  const socket = createClient({ url: ws, webSocketImpl: WebSocket, retryWait: async () => {} });
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      new HttpLink({ uri: http }),
    ),
  });
  return { client, socket };
};

const take = (observable, count) =>
  new Promise((resolve, reject) => {
    const results = [];
    const subscription = observable.subscribe({
      next: (result) => {
        results.push(result.data);
        if (results.length === count) {
          subscription.unsubscribe();
          resolve(results);
        }
      },
      error: reject,
      complete: () => resolve(results),
    });
  });

test('runs a query over HTTP', async () => {
  const { client } = connect();
  const { data } = await client.query({ query: gql`query($n: String!) { hello(name: $n) }`, variables: { n: 'you' } });
  assert.deepEqual(data, { hello: 'Hello you' });
});

test('runs a mutation over HTTP', async () => {
  const { client } = connect();
  const { data } = await client.mutate({ mutation: gql`mutation { write(value: "x") }` });
  assert.deepEqual(data, { write: 'x' });
});

test('reads the errors of a 400', async () => {
  const { client } = connect();
  await assert.rejects(client.query({ query: gql`{ nothing }` }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
    return true;
  });
});

test('follows a subscription over websocket', async () => {
  const { client, socket } = connect();
  const results = await take(client.subscribe({ query: gql`subscription { count(to: 2) }` }));
  assert.deepEqual(results, [{ count: 1 }, { count: 2 }]);
  await socket.dispose();
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
    const results = await take(client.subscribe({ query: gql`subscription { forever }` }), 2);
    assert.deepEqual(results, [{ forever: 1 }, { forever: 1 }]);
    await socket.dispose();
  });
}
