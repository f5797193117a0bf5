// A GraphQL server for one test, at the other end of fake websockets. Time stands still until the test lets it pass.
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { createClient } from '../dist/index.js';

/** Lets all promises settle. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Lets time pass in steps, so that timers which promises start take part. */
export async function pass(milliseconds) {
  await settled();
  for (let left = milliseconds; left > 0; left -= 50) {
    mock.timers.tick(Math.min(50, left));
    await settled();
  }
}

class FakeWebSocket extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  readyState = 0;
  sent = [];

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code = 1005, reason = '') {
    if (this.readyState < 2) queueMicrotask(() => this.drop(code, reason));
    this.readyState = 2;
  }

  /** Ends the connection, from the side of the server. */
  drop(code, reason = '') {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason, wasClean: code !== 1006 });
  }

  /** Fails the attempt to connect. */
  refuse() {
    this.onerror?.(new Event('error'));
    this.drop(1006);
  }

  async accept() {
    this.readyState = 1;
    this.onopen?.();
    await settled();
    assert.equal(this.sent[0]?.type, 'connection_init');
    await this.say({ type: 'connection_ack' });
  }

  async say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
    await settled();
  }

  get authorization() {
    return this.sent[0]?.payload?.authorization;
  }

  /** The running operations, in the order of their subscribe messages. */
  get operations() {
    const ended = new Set(this.sent.filter(({ type }) => type === 'complete').map(({ id }) => id));
    return this.sent.filter(({ type, id }) => type === 'subscribe' && !ended.has(id));
  }

  operation(field) {
    const found = this.operations.findLast(({ payload }) => payload.query.includes(`${field}(`));
    assert.ok(found, `no operation selects ${field}`);
    return found;
  }

  next(field, data) {
    return this.say({ type: 'next', id: this.operation(field).id, payload: { data: { [field]: data } } });
  }

  /** Answers a query. */
  async answer(field, data) {
    const { id } = this.operation(field);
    await this.say({ type: 'next', id, payload: { data: { [field]: data } } });
    await this.say({ type: 'complete', id });
    this.sent.push({ type: 'complete', id });
  }

  error(field, code, extensions = {}) {
    const { id } = this.operation(field);
    return this.say({ type: 'error', id, payload: [{ message: `Failed: ${code}`, extensions: { code, ...extensions } }] });
  }

  async complete(field) {
    await this.say({ type: 'complete', id: this.operation(field).id });
  }
}

/** A client with fake websockets: `server.sockets` in the order of the attempts, `states` as reported. */
export function setUp(t, options = {}) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2026-01-01') });
  mock.method(Math, 'random', () => 1); // the longest jitter
  const sockets = [];
  class webSocket extends FakeWebSocket {
    constructor(url, protocol) {
      super();
      Object.assign(this, { url, protocol });
      sockets.push(this);
    }
  }
  const states = [];
  const client = createClient({
    url: 'http://server.test/graphql',
    webSocket,
    onState: (state) => states.push(state),
    ...options,
  });
  t.after(() => {
    client.close();
    mock.timers.reset();
    mock.restoreAll();
  });
  /** Waits for the newest attempt to connect and accepts it. */
  const accepted = async (number) => {
    await settled();
    assert.equal(sockets.length, number, 'attempts to connect');
    await sockets[number - 1].accept();
    return sockets[number - 1];
  };
  return { client, sockets, states, accepted };
}

/** What a follower received. */
export function recorder() {
  const shown = [];
  const messages = [];
  const ends = [];
  return {
    shown,
    messages,
    ends,
    show: (value, message) => {
      shown.push(value);
      messages.push(message);
    },
    end: (reason) => ends.push(reason),
  };
}

export const job = (version, more = {}) => ({ id: 'job_1', version, title: `Title ${version}`, ...more });
export const snapshot = (version, more = {}) => ({
  __typename: 'JobSnapshot',
  reason: 'INITIAL',
  version,
  job: job(version, more),
});
export const event = (version, current = version, more = {}) => ({
  __typename: 'JobEvent',
  type: 'JOB_UPDATED',
  version,
  job: job(current, more),
});

/** Starts to follow a job and answers with its first snapshot. */
export async function following(world, version = 5, options = {}) {
  const seen = recorder();
  const stop = world.client.followJob('job_1', seen);
  const socket = await world.accepted(options.attempt ?? 1);
  await socket.next('jobEvents', snapshot(version, options.job));
  return { seen, stop, socket };
}
