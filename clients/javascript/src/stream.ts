import { GraphQLFailure } from './failures.js';
import type { Connection } from './connection.js';
import { backoff } from './waits.js';

/** What one stream follows, and where its results go. */
export interface Source {
  query: string;
  /** Called at each subscribe, so that a stream resumes where it was. */
  variables(): unknown;
  /** Receives a result. What it throws ends the stream. */
  next(data: unknown): void;
  /** The stream was subscribed, maybe again. */
  restart?(): void;
  /** Whether what is shown is current; by default once the server accepted the connection. */
  isCurrent?(): boolean;
  /** The end: with a reason when the server refused the stream. */
  end(reason?: Error): void;
}

/** One operation on the websocket, subscribed again until the server completes or refuses it. */
export class Stream {
  /** Whether it has been current. */
  shown = false;
  #unsubscribe: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempts = 0;

  constructor(
    private readonly connection: Connection,
    private readonly source: Source,
  ) {}

  /** Whether what it shows is current. */
  get current(): boolean {
    return this.#unsubscribe !== undefined && (this.source.isCurrent?.() ?? this.connection.accepted);
  }

  /** Whether it is not subscribed, and waits for nothing but a connection. */
  get pending(): boolean {
    return !this.#unsubscribe && !this.#timer;
  }

  /** Subscribes, if it is pending. */
  open(): void {
    if (!this.pending) return;
    let ended = false;
    const whileSubscribed =
      <Value>(act: (value: Value) => void) =>
      (value: Value) => {
        if (!ended) act(value);
      };
    const unsubscribe = this.connection.send(
      { query: this.source.query, variables: this.source.variables() as Record<string, unknown> },
      {
        next: whileSubscribed((result) => (result.errors ? this.#onErrors(result.errors) : this.#onData(result.data))),
        error: whileSubscribed((reason) =>
          Array.isArray(reason) ? this.#onErrors(reason) : this.connection.lost(reason),
        ),
        complete: () => !ended && this.#end(),
      },
    );
    this.#unsubscribe = () => {
      ended = true;
      unsubscribe();
    };
    this.source.restart?.();
  }

  /** Unsubscribes; `open` subscribes again. */
  interrupt(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  /** Unsubscribes for good. */
  stop(): void {
    clearTimeout(this.#timer);
    this.interrupt();
  }

  /** Ends the stream with the reason that the server gave. */
  fail(reason: Error): void {
    this.#end(reason);
  }

  #onData(data: unknown): void {
    this.#attempts = 0;
    this.connection.received();
    try {
      this.source.next(data);
    } catch (error) {
      return this.#end(error as Error);
    }
    this.connection.changed();
  }

  #onErrors(errors: GraphQLFailure['errors']): void {
    const refusal = new GraphQLFailure(errors);
    const wait = this.#waitAfter(refusal);
    if (wait === undefined) return this.#end(refusal);
    this.interrupt();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.connection.open();
    }, wait);
    this.connection.changed();
  }

  #waitAfter({ code, retryAfterSeconds }: GraphQLFailure): number | undefined {
    if (code === 'RATE_LIMITED' && retryAfterSeconds !== undefined) return retryAfterSeconds * 1000 + 250 * Math.random();
    return code === 'INTERNAL' || code === 'UNAVAILABLE' ? backoff(this.#attempts++) : undefined;
  }

  #end(reason?: Error): void {
    this.connection.remove(this);
    this.source.end(reason);
  }
}
