import {
  textOf,
  type Client,
  type ConnectionState,
  type DefaultJob,
  type DefaultListedJob,
  type JobFilter,
  type ListedJob,
  type TypedDocument,
} from '@scenewire/client';
import { createContext, createElement, useCallback, useContext, useSyncExternalStore, type ReactNode } from 'react';
import { NOTHING, findStore, storeOf, type Follow, type Followed } from './store.js';

const ClientContext = createContext<Client | undefined>(undefined);

/** A document of your own, see `Client.followJob` and `Client.followJobs`. */
type Document = TypedDocument<unknown, never> | string;

export interface FollowedJob<Job> {
  /** The whole current job; undefined until the first complete state. */
  job: Job | undefined;
  /** 'reconnecting': the job may be old. 'closed': the stream ended, with `error` unless the job was purged. */
  state: ConnectionState;
  /** Why the server refused the stream: a GraphQLFailure. */
  error: Error | undefined;
}

export interface FollowedJobs<Job> {
  /** The whole current list, the newest job first; undefined until it is complete. */
  jobs: Job[] | undefined;
  state: ConnectionState;
  error: Error | undefined;
}

/** Gives the components inside of it a client. */
export function ScenewireProvider({ client, children }: { client: Client; children?: ReactNode }): ReactNode {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** Returns the client of the nearest ScenewireProvider. Throws Error outside of one. */
export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('Scenewire hooks need a ScenewireProvider around them');
  return client;
}

/** Follows a job while the component is mounted; without an id it follows nothing. */
export function useJob<Job = DefaultJob>(jobId: string | null | undefined, document?: Document): FollowedJob<Job> {
  const client = useClient();
  const text = document && textOf(document);
  const name = jobId ? JSON.stringify([jobId, text]) : undefined;
  const { value, state, error } = useFollowed<Job>(client, name, (show, end) =>
    client.followJob<Job>(jobId!, { show, end }, text),
  );
  return { job: value, state, error };
}

/** Follows the list of jobs that match a filter while the component is mounted. Equal filters share one stream. */
export function useJobs<Job extends ListedJob = DefaultListedJob>(
  filter?: JobFilter,
  document?: Document,
): FollowedJobs<Job> {
  const client = useClient();
  const text = document && textOf(document);
  const name = JSON.stringify([filter ?? {}, text], (_, value) => sorted(value));
  const { value, state, error } = useFollowed<Job[]>(client, name, (show, end) =>
    client.followJobs<Job>(filter, { show, end }, text),
  );
  return { jobs: value, state, error };
}

/** Returns the state of the connection, to say that what is shown may be old. */
export function useConnectionState(): ConnectionState {
  const client = useClient();
  return useSyncExternalStore(
    client.onState,
    () => client.state,
    () => 'connecting',
  );
}

function useFollowed<Value>(client: Client, name: string | undefined, follow: Follow<Value>): Followed<Value> {
  const subscribe = useCallback(
    (listener: () => void) => (name === undefined ? () => undefined : storeOf(client, name, follow).listen(listener)),
    // `name` stands for all that `follow` depends on.
    [client, name],
  );
  const current = (): Followed<Value> => (name === undefined ? NOTHING : (findStore<Value>(client, name)?.current ?? NOTHING));
  return useSyncExternalStore(subscribe, current, () => NOTHING);
}

/** Objects with their keys in order, so that equal filters have one name. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}
