import type { Connection } from './connection.js';
import type { Source } from './stream.js';

/** How long a stream runs after its last follower left, for one that follows the same again. */
const LINGER_MS = 1_000;

/** A stream that several followers share. */
export abstract class Feed<Sink extends { end?(reason?: Error): void }> implements Source {
  abstract readonly query: string;
  readonly #followers = new Set<{ sink: Sink }>();
  #stop: (() => void) | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(
    protected readonly connection: Connection,
    private readonly onEnd: () => void,
  ) {}

  abstract variables(): unknown;
  abstract next(data: unknown): void;
  abstract isCurrent(): boolean;
  /** Shows the current state to a new follower, if there is one. */
  protected abstract welcome(sink: Sink): void;

  /** Adds a follower; returns a function that removes it. */
  add(sink: Sink): () => void {
    const follower = { sink };
    clearTimeout(this.#linger);
    this.#followers.add(follower);
    this.#stop ??= this.connection.follow(this);
    queueMicrotask(() => this.#followers.has(follower) && guarded(() => this.welcome(sink)));
    return () => {
      if (this.#followers.delete(follower) && !this.#followers.size) {
        this.#linger = setTimeout(() => this.stop(), LINGER_MS);
      }
    };
  }

  end(reason?: Error): void {
    const followers = [...this.#followers];
    this.stop();
    for (const { sink } of followers) guarded(() => sink.end?.(reason));
  }

  /** Ends the stream, without a word to its followers. */
  stop(): void {
    clearTimeout(this.#linger);
    this.#followers.clear();
    this.#stop?.();
    this.onEnd();
  }

  protected each(act: (sink: Sink) => void): void {
    for (const each of [...this.#followers]) if (this.#followers.has(each)) guarded(() => act(each.sink));
  }
}

/** Calls a follower. Its mistake is reported as an uncaught error and stops neither the stream nor other followers. */
export function guarded(act: () => void): void {
  try {
    act();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
