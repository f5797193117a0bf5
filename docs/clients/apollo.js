import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { filter } from 'rxjs';
import { FEED, SHOWN } from './feed.js';

export function apollo(uri, socket) {
  const resume = new ApolloLink((operation, forward) => {
    const variables = (operation.variables = { ...operation.variables });
    const sound = ({ data, errors }) => {
      if (errors) socket.terminate();
      else variables.after = data.jobEvents?.version ?? variables.after;
      return !errors;
    };
    return forward(operation).pipe(filter(sound));
  });
  const isStream = ({ operationType }) => operationType === 'subscription';
  const link = ApolloLink.split(isStream, resume.concat(new GraphQLWsLink(socket)), new HttpLink({ uri }));
  return new ApolloClient({ link, cache: new InMemoryCache() });
}

export function follow(client, jobId, { show, end }) {
  const next = ({ data, error }) => {
    if (error) return stream.unsubscribe(), end(error);
    const message = data.jobEvents;
    if (message.__typename === 'SceneProgress') advance(client.cache, jobId, message);
    show(client.readFragment({ id: `Job:${jobId}`, fragment: gql(SHOWN) }), message);
  };
  const feed = client.subscribe({ query: gql(FEED), variables: { jobId } });
  const stream = feed.subscribe({ next, complete: end });
  return () => stream.unsubscribe();
}

function advance(cache, jobId, { sceneId, percentage, progress }) {
  const newer = (known) => (known.version > progress.version ? known : progress);
  cache.modify({ id: `Job:${jobId}`, fields: { progress: newer } });
  const running = (known, { readField }) => (readField('status') === 'PROCESSING' ? percentage : known);
  cache.modify({ id: `Scene:${sceneId}`, fields: { percentage: running } });
}
