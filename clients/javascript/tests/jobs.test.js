// The list of jobs: complete, in order, and never an old job that has left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pass, recorder, setUp, settled } from './fake-server.js';

const listed = (number, more = {}) => ({
  id: `job_${number}`,
  title: `Job ${number}`,
  status: 'PENDING',
  ownerId: 'me',
  version: 1,
  createdAt: `2026-01-0${number}T00:00:00Z`,
  deletedAt: null,
  ...more,
});
const page = (ids, endCursor = null) => ({
  nodes: ids.map((number) => ({ id: `job_${number}` })),
  pageInfo: { hasNextPage: endCursor !== null, endCursor },
});
const titles = (seen) => seen.shown.map((jobs) => jobs.map(({ title }) => title));

async function list(world, filter, numbers) {
  const seen = recorder();
  const stop = world.client.followJobs(filter, seen);
  const socket = await world.accepted(1);
  for (const number of numbers) await socket.next('jobsUpdated', listed(number));
  await socket.answer('jobs', page(numbers));
  return { seen, socket, stop };
}

test('a list is shown when all of it has arrived, the newest job first', async (t) => {
  const world = setUp(t);
  const seen = recorder();
  world.client.followJobs({ status: ['PENDING'] }, seen);
  const socket = await world.accepted(1);
  assert.deepEqual(socket.operation('jobsUpdated').payload.variables, { filter: { status: ['PENDING'] } });
  assert.deepEqual(socket.operation('jobs').payload.variables, { filter: { status: ['PENDING'] }, after: null });
  await socket.next('jobsUpdated', listed(2));
  await socket.answer('jobs', page([3, 2, 1]));
  await socket.next('jobsUpdated', listed(1));
  assert.deepEqual([titles(seen), world.client.state], [[], 'connecting']);
  await socket.next('jobsUpdated', listed(3));
  assert.deepEqual([titles(seen), world.client.state], [[['Job 3', 'Job 2', 'Job 1']], 'live']);
  await socket.next('jobsUpdated', listed(2, { version: 2, title: 'New' }));
  await socket.next('jobsUpdated', listed(4));
  assert.deepEqual(titles(seen).slice(1), [
    ['Job 3', 'New', 'Job 1'],
    ['Job 4', 'Job 3', 'New', 'Job 1'],
  ]);
});

test('jobs of one instant are ordered by their ids', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await list(world, undefined, []);
  const at = { createdAt: '2026-01-01T00:00:00.5Z' };
  for (const [number, created] of [[2, at], [3, at], [1, { createdAt: '2026-01-01T00:00:00.51Z' }]]) {
    await socket.next('jobsUpdated', listed(number, created));
  }
  assert.deepEqual(titles(seen).at(-1), ['Job 1', 'Job 3', 'Job 2']);
});

test('a list without jobs is shown as one', async (t) => {
  const world = setUp(t);
  const { seen } = await list(world, undefined, []);
  assert.deepEqual([titles(seen), world.client.state], [[[]], 'live']);
});

test('ids are read by pages', async (t) => {
  const world = setUp(t);
  const seen = recorder();
  world.client.followJobs({}, seen);
  const socket = await world.accepted(1);
  await socket.next('jobsUpdated', listed(2));
  await socket.next('jobsUpdated', listed(1));
  await socket.answer('jobs', page([2], 'cursor'));
  assert.deepEqual(titles(seen), []);
  assert.equal(socket.operation('jobs').payload.variables.after, 'cursor');
  await socket.answer('jobs', page([1]));
  assert.deepEqual(titles(seen), [['Job 2', 'Job 1']]);
});

test('after a reconnect the old list is shown until the new one is complete', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await list(world, {}, [1, 2]);
  socket.drop(1006);
  await pass(250);
  const second = await world.accepted(2);
  await second.next('jobsUpdated', listed(3));
  assert.deepEqual([titles(seen).length, world.client.state], [1, 'reconnecting']);
  await second.next('jobsUpdated', listed(2));
  await second.answer('jobs', page([3, 2]));
  assert.deepEqual([titles(seen).slice(1), world.client.state], [[['Job 3', 'Job 2']], 'live']);
});

test('a connection that breaks while ids are read starts afresh', async (t) => {
  const world = setUp(t);
  const seen = recorder();
  world.client.followJobs({}, seen);
  const socket = await world.accepted(1);
  await socket.next('jobsUpdated', listed(1));
  await socket.answer('jobs', page([1], 'cursor'));
  socket.drop(1006);
  await pass(250);
  const second = await world.accepted(2);
  assert.deepEqual(second.operations.map(({ payload }) => payload.variables), [
    { filter: {} },
    { filter: {}, after: null },
  ]);
});

for (const [filter, change] of [
  [{ status: ['PENDING', 'PROCESSING'] }, { status: 'COMPLETED' }],
  [{ ownerId: 'me' }, { ownerId: 'you' }],
  [undefined, { deletedAt: '2026-02-01T00:00:00Z' }],
]) {
  test(`a job leaves the list with ${Object.keys(change)}, and returns when it matches again`, async (t) => {
    const world = setUp(t);
    const { seen, socket } = await list(world, filter, [1, 2]);
    await socket.next('jobsUpdated', listed(2, { version: 2, ...change }));
    await socket.next('jobsUpdated', listed(2, { version: 3 }));
    assert.deepEqual(titles(seen).slice(1), [['Job 1'], ['Job 2', 'Job 1']]);
  });
}

test('under a text search the server decides whether a job with a new title still matches', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await list(world, { search: 'job' }, [1, 2, 3]);
  await socket.next('jobsUpdated', listed(3, { version: 2, status: 'PROCESSING' }));
  assert.equal(titles(seen).length, 2, 'the title is the old one');
  await socket.next('jobsUpdated', listed(1, { version: 2, title: 'Other' }));
  await socket.next('jobsUpdated', listed(2, { version: 2, title: 'JOB!' }));
  assert.equal(titles(seen).length, 2, 'an undecided change is not shown');
  await socket.answer('jobs', page([3]));
  await socket.answer('jobs', page([3, 2]));
  assert.deepEqual(titles(seen).at(-1), ['Job 3', 'JOB!']);
  assert.equal(socket.operations.length, 1);
});

test('a job that left by the answer of the server is not shown by the message that says so', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await list(world, { search: 'job' }, [1, 2]);
  await socket.next('jobsUpdated', listed(1, { version: 2, title: 'My job' }));
  await socket.answer('jobs', page([2])); // it was renamed once more meanwhile
  await socket.next('jobsUpdated', listed(1, { version: 3, title: 'Other' }));
  await socket.answer('jobs', page([2]));
  await socket.next('jobsUpdated', listed(1, { version: 4, title: 'Job again' }));
  await socket.answer('jobs', page([2, 1]));
  assert.deepEqual(titles(seen).slice(1), [['Job 2'], ['Job 2'], ['Job 2', 'Job again']]);
});

test('a job that leaves before it was sent does not hold up the list', async (t) => {
  const world = setUp(t);
  const seen = recorder();
  world.client.followJobs({}, seen);
  const socket = await world.accepted(1);
  await socket.answer('jobs', page([2, 1]));
  await socket.next('jobsUpdated', listed(1));
  await pass(1_000);
  assert.deepEqual(titles(seen), []);
  await socket.answer('jobs', page([1]));
  assert.deepEqual(titles(seen), [['Job 1']]);
});

test('followers of one filter share a subscription, and one who joins is shown the list at once', async (t) => {
  const world = setUp(t);
  const { seen, socket, stop } = await list(world, { search: 'j' }, [1]);
  const second = recorder();
  world.client.followJobs({ search: 'j' }, second);
  await settled();
  assert.deepEqual(second.shown, seen.shown);
  stop();
  await socket.next('jobsUpdated', listed(2));
  assert.deepEqual([seen.shown.length, second.shown.length, socket.operations.length], [1, 2, 1]);
});

test('a refused list ends with its error, and reads no more ids', async (t) => {
  const world = setUp(t);
  const seen = recorder();
  world.client.followJobs({ ownerId: 'you' }, seen);
  const socket = await world.accepted(1);
  await socket.error('jobsUpdated', 'BAD_USER_INPUT');
  await pass(3_000);
  assert.deepEqual(seen.ends.map(({ code }) => code), ['BAD_USER_INPUT']);
  assert.equal(world.sockets.length, 1);
});

test('a list that is stopped before it was complete leaves nothing behind', async (t) => {
  const world = setUp(t);
  const stop = world.client.followJobs({}, recorder());
  const socket = await world.accepted(1);
  await socket.next('jobsUpdated', listed(1));
  stop();
  await pass(1_050);
  assert.deepEqual(socket.operations, []);
  await pass(3_000);
  assert.deepEqual([socket.readyState, world.sockets.length], [3, 1]);
});
