import type { Client, ConnectionState } from '@scenewire/client';

/** What a hook returns. `value` is undefined until the first complete state. */
export interface Followed<Value> {
  value: Value | undefined;
  state: ConnectionState;
  error: Error | undefined;
}

/** Starts to follow something; returns a function that stops. */
export type Follow<Value> = (show: (value: Value) => void, end: (reason?: Error) => void) => () => void;

/** How long a value is retained after the last component that shows it, for one that is mounted next. */
const LINGER_MS = 1_000;

export const NOTHING: Followed<never> = { value: undefined, state: 'connecting', error: undefined };

/** The newest value of one stream, for all components that show it. Follows while there are listeners. */
export class Store<Value> {
  current: Followed<Value>;
  readonly #listeners = new Set<() => void>();
  #stop: (() => void) | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #ended = false;

  constructor(
    private readonly client: Client,
    private readonly follow: Follow<Value>,
    private readonly onUnused: () => void,
  ) {
    this.current = client.state === NOTHING.state ? NOTHING : { ...NOTHING, state: client.state };
  }

  listen(listener: () => void): () => void {
    clearTimeout(this.#linger);
    this.#listeners.add(listener);
    this.#stop ??= this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size) return;
      this.#stop?.();
      this.#stop = undefined;
      this.#linger = setTimeout(this.onUnused, LINGER_MS);
    };
  }

  #start(): () => void {
    const stopStates = this.client.onState((state) => this.#ended || this.#change({ state }));
    const stopFollowing = this.follow(
      (value) => this.#change({ value, state: this.client.state }),
      (error) => {
        this.#ended = true;
        this.#change({ state: 'closed', error });
      },
    );
    this.#ended = false;
    this.#change({ state: this.client.state, error: undefined });
    return () => {
      stopStates();
      stopFollowing();
    };
  }

  #change(change: Partial<Followed<Value>>): void {
    const next = { ...this.current, ...change };
    const { value, state, error } = this.current;
    if (next.value === value && next.state === state && next.error === error) return;
    this.current = next;
    for (const listener of [...this.#listeners]) listener();
  }
}

const stores = new WeakMap<Client, Map<string, Store<never>>>();

/** Returns the store of this name that is in use, if there is one. */
export function findStore<Value>(client: Client, name: string): Store<Value> | undefined {
  return stores.get(client)?.get(name) as Store<Value> | undefined;
}

/** Returns the store of this name, made when there is none. */
export function storeOf<Value>(client: Client, name: string, follow: Follow<Value>): Store<Value> {
  const found = findStore<Value>(client, name);
  if (found) return found;
  const named = stores.get(client) ?? new Map<string, Store<never>>();
  stores.set(client, named);
  const store = new Store(client, follow, () => named.delete(name));
  named.set(name, store as unknown as Store<never>);
  return store;
}
