import { Connection, type ConnectionState } from './connection.js';
import { JOB_FEED, JOB_LIST, type FollowedJobFragment, type JobListSubscription } from './operations.js';
import { textOf, type TypedDocument } from './documents.js';
import { guarded } from './feed.js';
import { post } from './http.js';
import { JobFeed, type JobSink } from './job.js';
import { JobsFeed, type JobsSink, type ListedJob } from './jobs.js';
import { watchPage } from './page.js';
import type { JobFilter } from './schema.js';
import type { TokenSource } from './tokens.js';

/** A job as the client's own document selects it. */
export type DefaultJob = FollowedJobFragment;
/** A job of a list as the client's own document selects it. */
export type DefaultListedJob = JobListSubscription['jobsUpdated'];

export interface Options {
  /** Address of the GraphQL endpoint, absolute or relative to the page, such as '/graphql'. */
  url: string;
  token?: TokenSource;
  /** Called with each new state. */
  onState?: (state: ConnectionState) => void;
  /** Close the streams of a page that has been hidden for 30 s, and resume them when it is shown. Default: true. */
  pauseWhenHidden?: boolean;
  /** For requests; by default the global one. */
  fetch?: typeof fetch;
  /** The class of websockets; by default the global one. */
  webSocket?: unknown;
}

export interface Client {
  /**
   * Runs a query or mutation over HTTP. Rejects with GraphQLFailure, or with the error of `fetch`. UserErrors in a
   * payload are data, not failures.
   */
  request<Data = unknown, Variables = Record<string, unknown>>(
    document: TypedDocument<Data, Variables> | string,
    variables?: Variables,
    init?: { signal?: AbortSignal },
  ): Promise<Data>;
  /**
   * Follows a job. A document of your own subscribes to `jobEvents` with the variables `$jobId: ID!` and `$after: Int`;
   * it selects `__typename`, `version`, and the whole job as `job`, with its `version` and the ids of its scenes.
   * Returns a function that stops.
   */
  followJob<Job = DefaultJob>(jobId: string, sink: JobSink<Job>, document?: TypedDocument<unknown, never> | string): () => void;
  /**
   * Follows the list of jobs that match a filter. A document of your own subscribes to `jobsUpdated` with the variable
   * `$filter: JobFilter`; it selects id, title, status, ownerId, createdAt and deletedAt. Returns a function that stops.
   */
  followJobs<Job extends ListedJob = DefaultListedJob>(
    filter: JobFilter | undefined,
    sink: JobsSink<Job>,
    document?: TypedDocument<unknown, never> | string,
  ): () => void;
  /** Any other subscription; subscribed again after a lost connection. Returns a function that stops. */
  subscribe<Data = unknown, Variables = Record<string, unknown>>(
    document: TypedDocument<Data, Variables> | string,
    variables: Variables | undefined,
    sink: { next(data: Data): void; end?(reason?: Error): void },
  ): () => void;
  readonly state: ConnectionState;
  /** Adds a listener of states; returns a function that removes it. */
  onState(listener: (state: ConnectionState) => void): () => void;
  /** Ends all streams without calling their `end`. */
  close(): void;
}

/** Makes a client. It connects with the first stream, and disconnects a second after the last one. */
export function createClient(options: Options): Client {
  const listeners = new Set<(state: ConnectionState) => void>();
  if (options.onState) listeners.add(options.onState);
  const address = () => new URL(options.url, globalThis.location?.href);
  const connection = new Connection({
    address: () => address().href.replace(/^http/, 'ws'),
    token: options.token,
    webSocket: options.webSocket,
    onState: (state) => [...listeners].forEach((listener) => guarded(() => listener(state))),
  });
  const feeds = new Map<string, { stop(): void }>();
  const stopWatching = watchPage(connection, options.pauseWhenHidden ?? true);

  /** Follows what others follow already, or something new. */
  function share<Shared extends { stop(): void }>(make: (onEnd: () => void) => Shared, ...key: unknown[]): Shared {
    const name = JSON.stringify(key);
    const made = feeds.get(name) ?? make(() => feeds.delete(name));
    feeds.set(name, made);
    return made as Shared;
  }

  return {
    async request(document, variables, init) {
      const query = textOf(document);
      const send = options.fetch ?? fetch;
      return (await post(send, address().href, options.token, { query, variables }, init?.signal)) as never;
    },
    followJob<Job>(jobId: string, sink: JobSink<Job>, document: TypedDocument<unknown, never> | string = JOB_FEED) {
      const query = textOf(document);
      return share((onEnd) => new JobFeed<Job>(connection, query, jobId, onEnd), query, jobId).add(sink);
    },
    followJobs<Job extends ListedJob>(
      filter: JobFilter | undefined,
      sink: JobsSink<Job>,
      document: TypedDocument<unknown, never> | string = JOB_LIST,
    ) {
      const query = textOf(document);
      return share((onEnd) => new JobsFeed<Job>(connection, query, filter, onEnd), query, filter).add(sink);
    },
    subscribe(document, variables, sink) {
      return connection.follow({
        query: textOf(document),
        variables: () => variables,
        next: (data) => guarded(() => sink.next(data as never)),
        end: (reason) => guarded(() => sink.end?.(reason)),
      });
    },
    get state() {
      return connection.state;
    },
    onState(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      stopWatching();
      connection.close();
      for (const feed of [...feeds.values()]) feed.stop();
    },
  };
}
