// Hidden pages, and networks that come back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { event, following, pass, recorder, setUp, settled } from './fake-server.js';

/** A page, as far as the client looks at it. */
function page() {
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  const listeners = new Set();
  for (const target of [window, document]) {
    const [add, remove] = [target.addEventListener, target.removeEventListener];
    target.addEventListener = (type, listener) => (listeners.add(listener), add.call(target, type, listener));
    target.removeEventListener = (type, listener) => (listeners.delete(listener), remove.call(target, type, listener));
  }
  globalThis.document = document;
  globalThis.addEventListener = window.addEventListener.bind(window);
  globalThis.removeEventListener = window.removeEventListener.bind(window);
  const turn = async (visibilityState) => {
    document.visibilityState = visibilityState;
    document.dispatchEvent(new Event('visibilitychange'));
    await settled();
  };
  return { listeners, hide: () => turn('hidden'), show: () => turn('visible'), online: () => window.dispatchEvent(new Event('online')) };
}

/** Lets time pass on a connection that is alive. */
async function passAlive(socket, seconds) {
  for (let second = 0; second < seconds; second += 5) {
    await pass(5_000);
    if (socket.readyState === 1) await socket.say({ type: 'pong' });
  }
}

test('a page that is hidden for 30 s closes its streams, and resumes them when it is shown', async (t) => {
  const tab = page();
  const world = setUp(t);
  const { seen, socket } = await following(world, 5);
  await tab.hide();
  await passAlive(socket, 25);
  assert.equal(world.client.state, 'live');
  await passAlive(socket, 10);
  assert.deepEqual([world.client.state, socket.readyState, socket.operations.length], ['paused', 3, 0]);
  world.client.followJob('job_2', recorder());
  await pass(60_000);
  assert.deepEqual([world.sockets.length, world.client.state], [1, 'paused']);
  await tab.show();
  assert.equal(world.client.state, 'reconnecting');
  const second = await world.accepted(2);
  const [operation] = second.operations;
  assert.deepEqual(operation.payload.variables, { jobId: 'job_1', after: 4 });
  await second.say({ type: 'next', id: operation.id, payload: { data: { jobEvents: event(5, 6) } } });
  await second.say({ type: 'next', id: operation.id, payload: { data: { jobEvents: event(6) } } });
  assert.deepEqual(world.states, ['live', 'paused', 'reconnecting', 'live']);
  assert.deepEqual(seen.shown.map(({ version }) => version), [5, 6]);
});

test('a stream that begins on a paused page waits until the page is shown', async (t) => {
  const tab = page();
  const world = setUp(t);
  const { socket } = await following(world, 5);
  await tab.hide();
  await passAlive(socket, 30);
  assert.deepEqual([world.client.state, socket.readyState], ['paused', 1], 'the websocket is about to be closed');
  world.client.followJob('job_2', recorder());
  await settled();
  assert.deepEqual(socket.operations, []);
  await tab.show();
  assert.equal(socket.operations.length, 2);
});

test('a page that is hidden for less than 30 s keeps its streams', async (t) => {
  const tab = page();
  const world = setUp(t);
  const { socket } = await following(world, 5);
  await tab.hide();
  await passAlive(socket, 25);
  await tab.show();
  await passAlive(socket, 60);
  assert.deepEqual([world.states, world.sockets.length], [['live'], 1]);
});

test('a page may go on while it is hidden', async (t) => {
  const tab = page();
  const world = setUp(t, { pauseWhenHidden: false });
  const { socket } = await following(world, 5);
  await tab.hide();
  await passAlive(socket, 60);
  assert.deepEqual(world.states, ['live']);
});

test('a page that is opened in the background pauses as well', async (t) => {
  const tab = page();
  await tab.hide();
  const world = setUp(t);
  const { socket } = await following(world, 5);
  await passAlive(socket, 35);
  assert.equal(world.client.state, 'paused');
});

for (const back of ['online', 'show']) {
  test(`an attempt to connect does not wait after ${back}`, async (t) => {
    const tab = page();
    const world = setUp(t);
    const { socket } = await following(world, 5);
    socket.drop(1013, 'Busy; retry after 60 s');
    await pass(1_000);
    await tab[back]();
    await settled();
    assert.equal(world.sockets.length, 2);
  });
}

test('a closed client leaves no listener', async (t) => {
  const tab = page();
  const world = setUp(t);
  await following(world, 5);
  assert.equal(tab.listeners.size, 2);
  world.client.close();
  assert.equal(tab.listeners.size, 0);
  await tab.hide();
  await pass(60_000);
  await tab.show();
  assert.deepEqual([world.states, world.sockets.length], [['live', 'closed'], 1]);
});
