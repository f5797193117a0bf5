import { createClient, type Client as Socket, type ExecutionResult, type Sink, type SubscribePayload } from 'graphql-ws/client';
import { failure } from './failures.js';
import { Stream, type Source } from './stream.js';
import { expiryOf, type TokenSource } from './tokens.js';
import { backoff, waitIn } from './waits.js';

/**
 * 'live': what is shown is current. 'reconnecting': it may be old, the client is catching up. 'paused': the page is
 * hidden. 'connecting': nothing was shown yet. 'closed': the client was closed, or the server refused it.
 */
export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'paused' | 'closed';

export interface ConnectionOptions {
  /** Returns the address of the websocket. */
  address(): string;
  token: TokenSource | undefined;
  webSocket: unknown;
  onState(state: ConnectionState): void;
}

type Timer = ReturnType<typeof setTimeout>;

const PING_MS = 5_000;
/** A connection that received nothing for so long is lost. */
const SILENCE_MS = 10_000;
/** How long an unused websocket stays open. */
const LINGER_MS = 1_000;
const RENEW_BEFORE_EXPIRY_MS = 30_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const REFUSED = [4401, 4403];
/** Codes of a client or proxy that breaks the protocol, so that more attempts are unlikely to help. */
const FAULTY = [1002, 1003, 1007, 1008, 1009, 1010, 4400, 4406, 4409, 4429];
const MOST_FAULTS = 3;

/** The websocket of a client: open while there are streams, and opened again until it works. */
export class Connection {
  state: ConnectionState = 'connecting';
  readonly #streams = new Set<Stream>();
  #socket: Socket | undefined;
  /** Whether the server accepted the current websocket. */
  accepted = false;
  #connecting = false;
  #retry: Timer | undefined;
  #silence: Timer | undefined;
  #renewal: Timer | undefined;
  #token: string | undefined;
  #refused: string | undefined;
  #attempts = 0;
  #refusals = 0;
  #faults = 0;
  #paused = false;
  #refusedForGood = false;
  #closed = false;

  constructor(private readonly options: ConnectionOptions) {}

  get idle(): boolean {
    return this.#streams.size === 0;
  }

  /** Starts a stream; returns a function that ends it. */
  follow(source: Source): () => void {
    const stream = new Stream(this, source);
    if (this.#closed) queueMicrotask(() => source.end(new Error('The client is closed')));
    else this.#streams.add(stream);
    this.#refusedForGood = false;
    this.open();
    this.changed();
    return () => this.remove(stream);
  }

  remove(stream: Stream): void {
    if (!this.#streams.delete(stream)) return;
    stream.stop();
    if (this.idle) this.#stopRetrying();
    this.changed();
  }

  /** Closes the websocket until `resume`; streams keep what they show. */
  pause(): void {
    this.#paused = true;
    this.#stopRetrying();
    for (const stream of this.#streams) stream.interrupt();
    this.changed();
  }

  resume(): void {
    this.#paused = false;
    this.#attempts = 0;
    this.retryNow();
  }

  /** Ends a wait for the next attempt: the page was shown, or the network is back. */
  retryNow(): void {
    this.#stopRetrying();
    this.open();
    this.changed();
  }

  close(): void {
    this.#closed = true;
    for (const stream of [...this.#streams]) this.remove(stream);
    void Promise.resolve(this.#socket?.dispose()).catch(() => undefined);
    this.#forgetSocket();
    this.changed();
  }

  /** Subscribes the streams that are pending; connects for that unless an attempt is due later. */
  open(): void {
    const pending = [...this.#streams].filter((stream) => stream.pending);
    if (this.#paused || this.#retry || !pending.length) return;
    if (!this.#socket) return void this.#connect();
    for (const stream of pending) if (this.#streams.has(stream)) stream.open();
  }

  /** Sends one operation over the websocket. */
  send(payload: SubscribePayload, sink: Sink<ExecutionResult<unknown>>): () => void {
    return this.#socket ? this.#socket.subscribe(payload, sink) : () => undefined;
  }

  /** The server answered: earlier failures no longer count. */
  received(): void {
    this.#attempts = this.#refusals = this.#faults = 0;
  }

  /** The connection broke, or could not be made. Idempotent for each websocket. */
  lost(event: unknown): void {
    if (!this.#socket) return;
    this.#forgetSocket();
    for (const stream of this.#streams) stream.interrupt();
    if (!this.idle && !this.#paused) this.#retryAfter(event as Partial<CloseEvent>);
    this.changed();
  }

  /** Computes the state, and reports it when it is another. */
  changed(): void {
    const state = this.#currentState();
    if (state === this.state) return;
    this.state = state;
    this.options.onState(state);
  }

  #currentState(): ConnectionState {
    if (this.#closed || this.#refusedForGood) return 'closed';
    if (this.#paused && !this.idle) return 'paused';
    const streams = [...this.#streams];
    for (const stream of streams) stream.shown ||= stream.current;
    if (streams.some((stream) => stream.shown && !stream.current)) return 'reconnecting';
    return streams.some((stream) => stream.current) ? 'live' : 'connecting';
  }

  async #connect(): Promise<void> {
    if (this.#connecting) return;
    this.#connecting = true;
    try {
      this.#token = await this.options.token?.(this.#refused);
    } catch {
      // The source could not reach its server either: try again like after a lost connection.
      return this.#retryIn(backoff(this.#attempts++));
    } finally {
      this.#connecting = false;
    }
    this.#refused = undefined;
    if (this.#closed || this.#paused || this.idle) return;
    this.#socket = this.#newSocket(this.#token);
    this.#renewBeforeExpiry();
    this.open();
  }

  #newSocket(token: string | undefined): Socket {
    let operations = 0;
    const socket: Socket = createClient({
      url: this.options.address(),
      webSocketImpl: this.options.webSocket,
      retryAttempts: 0,
      keepAlive: PING_MS,
      lazyCloseTimeout: LINGER_MS,
      generateID: () => `${(operations += 1)}`,
      connectionParams: token ? { authorization: `Bearer ${token}` } : {},
      on: {
        connecting: () => this.#restartSilence(socket),
        connected: () => {
          this.accepted = this.#socket === socket;
          this.changed();
        },
        message: ({ type }) => {
          this.#restartSilence(socket);
          if (type === 'pong') this.received();
        },
        closed: (event) => this.#socket === socket && this.lost(event),
      },
    });
    return socket;
  }

  #restartSilence(socket: Socket): void {
    if (this.#socket !== socket) return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => socket.terminate(), SILENCE_MS);
  }

  #renewBeforeExpiry(): void {
    const wait = (expiryOf(this.#token) ?? NaN) - Date.now() - RENEW_BEFORE_EXPIRY_MS;
    if (wait > 0 && wait < LONGEST_TIMER_MS) this.#renewal = setTimeout(() => this.#renew(), wait);
  }

  /** Connects again with a new token; streams continue where they were. */
  #renew(): void {
    const socket = this.#socket;
    this.#forgetSocket();
    for (const stream of this.#streams) stream.interrupt();
    socket?.terminate();
    this.#refused = this.#token;
    this.retryNow();
  }

  #retryAfter({ code = 1006, reason }: Partial<CloseEvent>): void {
    if (REFUSED.includes(code)) {
      if (!this.options.token || this.#refusals++ > 0) return this.#failAll('UNAUTHENTICATED', reason, code);
      this.#refused = this.#token;
      return this.#retryIn(0);
    }
    if (FAULTY.includes(code) && ++this.#faults > MOST_FAULTS) return this.#failAll('CONNECTION_REFUSED', reason, code);
    this.#retryIn(waitIn(reason) ?? backoff(this.#attempts++));
  }

  #retryIn(wait: number): void {
    if (!this.#closed && !this.#paused && !this.idle) this.#retry = setTimeout(() => this.retryNow(), wait);
  }

  #failAll(code: string, reason: string | undefined, closeCode: number): void {
    const refusal = failure(code, reason || `The server closed the websocket with ${closeCode}`, { closeCode });
    this.#refusedForGood = true;
    this.#attempts = this.#refusals = this.#faults = 0;
    for (const stream of [...this.#streams]) stream.fail(refusal);
  }

  #stopRetrying(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #forgetSocket(): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#renewal);
    this.#socket = undefined;
    this.accepted = false;
  }
}
