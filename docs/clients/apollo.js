import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { print } from 'graphql';
import { Observable } from 'rxjs';
import { FEED, SHOWN } from './feed.js';
import { subscribe } from './graphql-ws.js';

// #region page
export function apollo(uri, socket) {
  const streams = new ApolloLink(
    ({ query, variables }) => new Observable((sink) => subscribe(socket, { query: print(query), variables }, sink)),
  );
  const isStream = ({ operationType }) => operationType === 'subscription';
  const link = ApolloLink.split(isStream, streams, new HttpLink({ uri }));
  return new ApolloClient({ link, cache: new InMemoryCache() });
}

export function follow(client, jobId, { show, end }) {
  const shown = { id: `Job:${jobId}`, fragment: gql(SHOWN) };
  const next = ({ data, error }) => {
    if (error) return stream.unsubscribe(), end(error);
    show(client.readFragment(shown), data.jobEvents); // the cache already contains the message
  };
  const stream = client.subscribe({ query: gql(FEED), variables: { jobId } }).subscribe({ next, complete: end });
  return () => stream.unsubscribe();
}
// #endregion
