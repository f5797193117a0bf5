// Feeds the messages of a subscription to normalized caches: node cache.js SCHEMA SUBSCRIPTION < messages.json
// Prints, for Apollo Client and for urql, the job that is read from the cache after each message.
// Exits with status 1 when a client writes a warning.
import { readFileSync } from 'node:fs';
import { ApolloClient, ApolloLink, InMemoryCache, gql } from '@apollo/client';
import { Client, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { buildSchema, introspectionFromSchema } from 'graphql';
import { Observable } from 'rxjs';

// For example, Apollo Client warns of an object without an id that replaces another one.
for (const level of ['warn', 'error']) {
  const write = console[level];
  console[level] = (...words) => {
    process.exitCode = 1;
    write(...words);
  };
}

const [schemaPath, queryPath] = process.argv.slice(2);
const query = readFileSync(queryPath, 'utf8');
const fragmentText = query.slice(query.indexOf('fragment'));
const { jobId, messages } = JSON.parse(readFileSync(0, 'utf8'));
const results = messages.map((message) => ({ data: { jobEvents: message } }));

async function apollo() {
  const link = new ApolloLink(
    () =>
      new Observable((sink) => {
        results.forEach((result) => sink.next(structuredClone(result)));
        sink.complete();
      }),
  );
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const jobs = [];
  await client
    .subscribe({ query: gql(query), variables: { jobId } })
    .forEach(() => jobs.push(client.readFragment({ id: `Job:${jobId}`, fragment: gql(fragmentText) })));
  return jobs;
}

function urql() {
  const noId = () => null;
  const exchange = cacheExchange({
    schema: introspectionFromSchema(buildSchema(readFileSync(schemaPath, 'utf8'))),
    keys: { JobSnapshot: noId, JobEvent: noId, SceneProgress: noId, SceneConnection: noId, Media: noId },
    resolvers: { Query: { job: (_parent, { id }) => ({ __typename: 'Job', id }) } },
  });
  const forwardSubscription = () => ({
    subscribe(sink) {
      results.forEach((result) => sink.next(structuredClone(result)));
      return { unsubscribe() {} };
    },
  });
  const exchanges = [exchange, subscriptionExchange({ forwardSubscription })];
  const client = new Client({ url: 'http://unused.test', exchanges });
  const shown = `query Shown($jobId: ID!) { job(id: $jobId) { ...Shown } } ${fragmentText}`;
  return new Promise((done, failed) => {
    const jobs = [];
    client.subscription(query, { jobId }).subscribe(({ error }) => {
      if (error) return failed(error);
      jobs.push(client.readQuery(shown, { jobId }, { requestPolicy: 'cache-only' })?.data.job ?? null);
      if (jobs.length === results.length) done(jobs);
    });
  });
}

console.log(JSON.stringify({ apollo: await apollo(), urql: await urql() }));
