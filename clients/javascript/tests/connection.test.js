// Lost connections: what the client does after each way to lose one.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { GraphQLFailure } from '../dist/index.js';
import { event, following, pass, recorder, setUp, settled, snapshot } from './fake-server.js';

for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 4408, 4499, 4500, 4999]) {
  test(`a stream resumes after its last version when the connection closes with ${code}`, async (t) => {
    const world = setUp(t);
    const { seen, socket } = await following(world, 5);
    await socket.next('jobEvents', event(6));
    socket.drop(code);
    assert.equal(world.client.state, 'reconnecting');
    await pass(250);
    const second = await world.accepted(2);
    assert.deepEqual(second.operation('jobEvents').payload.variables, { jobId: 'job_1', after: 5 });
    assert.equal(world.client.state, 'reconnecting', 'nothing says yet that what is shown is current');
    await second.next('jobEvents', event(6, 7));
    assert.equal(world.client.state, 'reconnecting', 'the answer says that the job is newer');
    await second.next('jobEvents', event(7));
    assert.deepEqual(world.states, ['live', 'reconnecting', 'live']);
    assert.deepEqual(seen.messages.map(({ version }) => version), [5, 6, 7]);
    assert.deepEqual(seen.ends, []);
  });
}

test('attempts to connect wait twice as long each time, up to 0.7 s, and after two minutes up to 5 s', async (t) => {
  const world = setUp(t);
  world.client.followJob('job_1', recorder());
  const waits = [];
  for (let attempt = 0; attempt < 202; attempt += 1) {
    await settled();
    world.sockets.at(-1).refuse();
    await settled();
    const before = Date.now();
    while (world.sockets.length === attempt + 1) await pass(50);
    waits.push(Date.now() - before);
  }
  assert.deepEqual(waits.slice(0, 5), [250, 500, 700, 700, 700]);
  assert.deepEqual(waits.slice(199), [700, 5_000, 5_000]);
  assert.equal(world.client.state, 'connecting');
});

test('an answer makes the next wait a short one again', async (t) => {
  const world = setUp(t);
  const { socket } = await following(world);
  socket.drop(1006);
  await pass(250);
  world.sockets[1].refuse();
  await pass(500);
  const third = await world.accepted(3);
  await third.next('jobEvents', event(5));
  third.drop(1006);
  await pass(250);
  assert.equal(world.sockets.length, 4);
});

test('a close reason says how long to wait', async (t) => {
  const world = setUp(t);
  const { socket } = await following(world);
  socket.drop(1013, 'Too many connections; retry after 3 s');
  await pass(2_950);
  assert.equal(world.sockets.length, 1);
  await pass(300);
  assert.equal(world.sockets.length, 2);
});

test('a stream that begins during a wait waits as well, unless all streams before it have stopped', async (t) => {
  const world = setUp(t);
  const { socket, stop } = await following(world);
  socket.drop(1013, 'Too many connections; retry after 60 s');
  await pass(1_000);
  world.client.followJob('job_2', recorder())();
  await pass(2_000);
  assert.equal(world.sockets.length, 1);
  stop();
  await pass(2_000);
  world.client.followJob('job_2', recorder());
  await settled();
  assert.equal(world.sockets.length, 2);
});

for (const code of [1008, 1009, 4400, 4406, 4409, 4429]) {
  test(`a client that is closed with ${code} four times in a row says so`, async (t) => {
    const world = setUp(t);
    const { seen } = await following(world);
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      assert.deepEqual(seen.ends, []);
      world.sockets.at(-1).drop(code, 'You did wrong');
      await pass(2_000);
    }
    const [reason] = seen.ends;
    assert.ok(reason instanceof GraphQLFailure);
    assert.deepEqual(reason.errors, [
      { message: 'You did wrong', extensions: { code: 'CONNECTION_REFUSED', closeCode: code } },
    ]);
    assert.equal(world.client.state, 'closed');
    assert.equal(world.sockets.length, 4);
  });
}

for (const code of [4401, 4403]) {
  test(`a token that is refused with ${code} is asked for again once`, async (t) => {
    const asked = [];
    const world = setUp(t, { token: async (refused) => `token-${asked.push(refused)}` });
    const { seen, socket } = await following(world);
    assert.equal(socket.authorization, 'Bearer token-1');
    socket.drop(code, 'The token expired');
    await pass(50);
    const second = await world.accepted(2);
    assert.equal(second.authorization, 'Bearer token-2');
    second.drop(code, 'The token is not valid');
    await pass(5_000);
    assert.deepEqual(asked, [undefined, 'token-1']);
    assert.deepEqual(seen.ends.map(({ code, message }) => [code, message]), [
      ['UNAUTHENTICATED', 'The token is not valid'],
    ]);
    assert.equal(world.client.state, 'closed');
    world.client.followJob('job_1', recorder());
    await settled();
    assert.equal(world.sockets.length, 3, 'one who has signed in again may follow again');
    assert.equal(world.client.state, 'connecting');
  });
}

test('a token that was accepted in between is renewed each time', async (t) => {
  const asked = [];
  const world = setUp(t, { token: (refused) => `token-${asked.push(refused)}` });
  const { seen, socket } = await following(world);
  socket.drop(4403);
  await pass(50);
  const second = await world.accepted(2);
  await second.next('jobEvents', event(5));
  second.drop(4403);
  await pass(50);
  const third = await world.accepted(3);
  assert.equal(third.authorization, 'Bearer token-3');
  await third.next('jobEvents', event(5));
  third.drop(1006);
  await pass(250);
  assert.deepEqual(asked, [undefined, 'token-1', 'token-2', undefined], 'the last one was not refused');
  assert.deepEqual(seen.ends, []);
});

test('without a token to renew, a refusal ends the streams', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world);
  socket.drop(4403, 'A token is required');
  await pass(5_000);
  assert.equal(seen.ends[0].code, 'UNAUTHENTICATED');
  assert.equal(world.sockets.length, 1);
});

test('a token source that fails is asked again', async (t) => {
  let asked = 0;
  const world = setUp(t, {
    token: async () => {
      if ((asked += 1) < 3) throw new Error('the sign-in server is down');
      return 'good';
    },
  });
  world.client.followJob('job_1', recorder());
  await pass(750);
  assert.equal((await world.accepted(1)).authorization, 'Bearer good');
});

test('a websocket is opened when the token is there, however long that takes', async (t) => {
  let give;
  const world = setUp(t, { token: () => new Promise((resolve) => (give = resolve)) });
  world.client.followJob('job_1', recorder());
  await pass(60_000);
  assert.equal(world.sockets.length, 0);
  give('typed by a person');
  assert.equal((await world.accepted(1)).authorization, 'Bearer typed by a person');
});

test('a token that comes too late opens no websocket', async (t) => {
  const given = [];
  const world = setUp(t, { token: () => new Promise((resolve) => given.push(resolve)) });
  const stop = world.client.followJob('job_1', recorder());
  stop();
  await pass(1_050);
  given[0]('late');
  await settled();
  world.client.followJob('job_1', recorder());
  await settled();
  world.client.close();
  given[1]('later');
  await settled();
  assert.equal(world.sockets.length, 0);
});

test('a token that expires is renewed half a minute before, and the stream continues', async (t) => {
  const jwt = (seconds) => `e30.${btoa(JSON.stringify({ exp: Date.now() / 1000 + seconds }))}.x`;
  const asked = [];
  const world = setUp(t, { token: (old) => (asked.push(old), jwt(90)) });
  const { socket } = await following(world);
  const pongs = async (socket, seconds) => {
    for (let passed = 0; passed < seconds; passed += 5) {
      await pass(5_000);
      if (socket.readyState === 1) await socket.say({ type: 'pong' });
    }
  };
  await pongs(socket, 55);
  assert.equal(world.sockets.length, 1);
  await pongs(socket, 5);
  const second = await world.accepted(2);
  assert.equal(second.operation('jobEvents').payload.variables.after, 4);
  assert.deepEqual(asked, [undefined, socket.authorization.slice('Bearer '.length)]);
  assert.notEqual(second.authorization, socket.authorization);
  assert.equal(socket.readyState, 3);
});

test('a connection on which nothing arrives for 10 s is lost', async (t) => {
  const world = setUp(t);
  const { socket } = await following(world);
  await pass(5_000);
  assert.equal(socket.sent.at(-1).type, 'ping');
  await socket.say({ type: 'pong' });
  await pass(9_900);
  assert.equal(world.client.state, 'live');
  await pass(100);
  assert.equal(world.client.state, 'reconnecting');
  await pass(250);
  assert.equal(world.sockets.length, 2);
});

test('an attempt that the network swallows is given up after 10 s', async (t) => {
  const world = setUp(t);
  world.client.followJob('job_1', recorder());
  await pass(10_250);
  assert.equal(world.sockets.length, 2);
});

for (const code of ['INTERNAL', 'UNAVAILABLE']) {
  test(`a stream that fails with ${code} is subscribed again, over the same websocket`, async (t) => {
    const world = setUp(t);
    const { seen, socket } = await following(world);
    const other = recorder();
    world.client.followJob('job_2', other);
    await settled();
    await socket.next('jobEvents', snapshot(3));
    await socket.error('jobEvents', code);
    assert.equal(world.client.state, 'reconnecting');
    const subscribed = socket.sent.length;
    await pass(250);
    assert.deepEqual(socket.sent.at(-1).payload.variables, { jobId: 'job_2', after: 2 });
    assert.equal(socket.sent.length, subscribed + 1);
    await socket.next('jobEvents', event(3));
    assert.equal(world.client.state, 'live');
    assert.deepEqual([seen.ends, other.ends, world.sockets.length], [[], [], 1]);
  });
}

test('a stream that fails again and again waits longer, until it has an answer', async (t) => {
  const world = setUp(t);
  const { socket } = await following(world);
  const other = 'subscription S { sceneUpdated(sceneId: 1) { id } }'; // holds the websocket open
  world.client.subscribe(other, {}, { next: () => undefined });
  await settled();
  const subscribes = () => socket.sent.filter(({ payload }) => payload?.query?.includes('jobEvents(')).length;
  const waits = [];
  for (const answered of [false, true, false]) {
    await socket.error('jobEvents', 'UNAVAILABLE');
    const [before, subscribed] = [Date.now(), subscribes()];
    while (subscribes() === subscribed) await pass(50);
    waits.push(Date.now() - before);
    if (answered) await socket.next('jobEvents', event(5));
  }
  assert.deepEqual(waits, [250, 500, 250]);
});

test('an error in a message that has data is one of the stream as well', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world);
  const { id } = socket.operation('jobEvents');
  const errors = [{ message: 'x', extensions: { code: 'INTERNAL' } }];
  await socket.say({ type: 'next', id, payload: { data: { jobEvents: { ...event(6), job: null } }, errors } });
  await pass(250);
  assert.equal(socket.operation('jobEvents').payload.variables.after, 4, 'version 6 is not received');
  assert.deepEqual(seen.shown.length, 1);
});

test('a rate limit says when to subscribe again, also when the websocket is closed meanwhile', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world);
  await socket.error('jobEvents', 'RATE_LIMITED', { retryAfterSeconds: 7 });
  await pass(6_950);
  assert.deepEqual([socket.readyState, world.sockets.length], [3, 1]);
  await pass(300);
  const second = await world.accepted(2);
  assert.equal(second.operations.length, 1);
  assert.deepEqual(seen.ends, []);
});

test('a rate limit does not hold up other streams', async (t) => {
  const world = setUp(t);
  const { socket } = await following(world);
  world.client.followJob('job_2', recorder());
  await settled();
  await socket.error('jobEvents', 'RATE_LIMITED', { retryAfterSeconds: 7 });
  socket.drop(1006);
  await pass(250);
  const second = await world.accepted(2);
  assert.deepEqual(second.operations.map(({ payload }) => payload.variables.jobId), ['job_1']);
});

test('any other error ends the stream once, with its code', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world);
  await socket.error('jobEvents', 'NOT_FOUND');
  await pass(5_000);
  assert.deepEqual(seen.ends.map(({ name, code }) => [name, code]), [['GraphQLFailure', 'NOT_FOUND']]);
});

test('a stream that the server completes ends without a reason', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world);
  await socket.complete('jobEvents');
  assert.deepEqual(seen.ends, [undefined]);
});

test('any subscription is subscribed again', async (t) => {
  const world = setUp(t);
  const seen = [];
  const document = 'subscription S($id: ID!) { sceneUpdated(sceneId: $id) { id } }';
  const stop = world.client.subscribe(document, { id: 'scene_1' }, { next: (data) => seen.push(data.sceneUpdated.id) });
  const first = await world.accepted(1);
  assert.equal(world.client.state, 'live');
  await first.next('sceneUpdated', { id: 'a' });
  first.drop(1006);
  await pass(250);
  assert.equal(world.client.state, 'reconnecting');
  const second = await world.accepted(2);
  await second.next('sceneUpdated', { id: 'b' });
  stop();
  assert.deepEqual(seen, ['a', 'b']);
  assert.deepEqual(second.operations, []);
});

test('the websocket is closed a second after its last stream has stopped', async (t) => {
  const world = setUp(t);
  const { stop, socket } = await following(world);
  stop();
  await pass(950);
  assert.equal(socket.operations.length, 1, 'one who returns finds the stream');
  await pass(100);
  assert.equal(socket.operations.length, 0);
  await pass(900);
  assert.equal(socket.readyState, 1);
  await pass(100);
  assert.equal(socket.readyState, 3);
  await pass(10_000);
  assert.equal(world.sockets.length, 1);
  await following(world, 5, { attempt: 2 });
  assert.equal(world.client.state, 'live');
});

test('one who returns within a second follows the same stream', async (t) => {
  const world = setUp(t);
  const { stop, socket } = await following(world);
  stop();
  await pass(500);
  const again = recorder();
  world.client.followJob('job_1', again);
  await pass(2_000);
  await socket.next('jobEvents', event(6));
  assert.deepEqual(again.shown.map(({ version }) => version), [5, 6]);
});

test('followers of one job share a subscription, and one who joins is shown the job at once', async (t) => {
  const world = setUp(t);
  const { seen, socket, stop } = await following(world, 5);
  const second = recorder();
  const stopSecond = world.client.followJob('job_1', second);
  await settled();
  assert.deepEqual(second.shown, seen.shown);
  assert.equal(second.messages[0].__typename, 'JobSnapshot');
  await socket.next('jobEvents', event(6));
  stop();
  await socket.next('jobEvents', event(7));
  assert.deepEqual([seen.shown.length, second.shown.length, socket.operations.length], [2, 3, 1]);
  stopSecond();
});

test('the mistake of one follower does not reach the others', async (t) => {
  const world = setUp(t);
  const thrown = [];
  const { seen, socket } = await following(world);
  world.client.followJob('job_1', {
    show() {
      throw new Error('my mistake');
    },
  });
  const third = recorder();
  world.client.followJob('job_1', third);
  await new Promise((resolve) => {
    const original = globalThis.queueMicrotask;
    mock.method(globalThis, 'queueMicrotask', (act) =>
      original(() => {
        try {
          act();
        } catch (error) {
          thrown.push(error.message);
        }
      }),
    );
    resolve();
  });
  await settled();
  await socket.next('jobEvents', event(6));
  assert.equal(seen.shown.at(-1).version, 6);
  assert.equal(third.shown.at(-1).version, 6);
  assert.deepEqual(thrown.at(-1), 'my mistake');
});

test('a closed client is silent, and refuses to follow', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world);
  world.client.close();
  await settled();
  assert.equal(socket.readyState, 3);
  assert.deepEqual([seen.ends, world.client.state], [[], 'closed']);
  const late = recorder();
  world.client.followJob('job_1', late);
  await pass(5_000);
  assert.equal(late.ends[0].message, 'The client is closed');
  assert.equal(world.sockets.length, 1);
});

test('a relative address is one of the page, with its prefix', async (t) => {
  globalThis.location = { href: 'https://host.test/prefix/?job=1' };
  t.after(() => delete globalThis.location);
  const world = setUp(t, { url: 'graphql' });
  world.client.followJob('job_1', recorder());
  await settled();
  assert.equal(world.sockets[0].url, 'wss://host.test/prefix/graphql');
  assert.equal(world.sockets[0].protocol, 'graphql-transport-ws');
});
