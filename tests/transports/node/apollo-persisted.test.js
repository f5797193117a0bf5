import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { http } from './address.js';
import { noting } from './persisted.js';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const connect = (options) => {
  const { noted, requests } = noting();
  const link = new PersistedQueryLink({ sha256, ...options }).concat(new HttpLink({ uri: http, fetch: noted }));
  return { client: new ApolloClient({ cache: new InMemoryCache(), link }), requests };
};

const query = (name) => ({ query: gql`query Greet($n: String!) { hello(name: $n) }`, variables: { n: name } });

test('registers a query, then sends its hash alone, by POST', async () => {
  const first = connect();
  assert.deepEqual((await first.client.query(query('one'))).data, { hello: 'Hello one' });
  assert.deepEqual(first.requests, ['POST identifier 200', 'POST document 200']);
  const second = connect();
  assert.deepEqual((await second.client.query(query('two'))).data, { hello: 'Hello two' });
  assert.deepEqual(second.requests, ['POST identifier 200']);
});

test('sends the hash by GET', async () => {
  const first = connect({ useGETForHashedQueries: true });
  const document = gql`query ByGet { hello }`;
  assert.deepEqual((await first.client.query({ query: document })).data, { hello: 'Hello world' });
  assert.deepEqual(first.requests, ['GET identifier 200', 'POST document 200']);
  const second = connect({ useGETForHashedQueries: true });
  assert.deepEqual((await second.client.query({ query: document })).data, { hello: 'Hello world' });
  assert.deepEqual(second.requests, ['GET identifier 200']);
});

test('runs a mutation', async () => {
  const { client, requests } = connect({ useGETForHashedQueries: true });
  const { data } = await client.mutate({ mutation: gql`mutation { write(value: "x") }` });
  assert.deepEqual(data, { write: 'x' });
  assert.deepEqual(requests, ['POST identifier 200', 'POST document 200']);
});

test('is refused with a wrong hash', async () => {
  const { client, requests } = connect({ sha256: () => sha256('another document') });
  await assert.rejects(client.query(query('one')), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, 'DOCUMENT_MISMATCH');
    return true;
  });
  assert.deepEqual(requests, ['POST identifier 200', 'POST document 400']);
});

test('runs a trusted document by the identifier of a manifest', async () => {
  const { client, requests } = connect({ generateHash: () => 'hello-v1' });
  const { data } = await client.query({
    query: gql`query Hello($name: String!) { hello(name: $name) }`,
    variables: { name: 'you' },
  });
  assert.deepEqual(data, { hello: 'Hello you' });
  assert.deepEqual(requests, ['POST identifier 200']);
});
