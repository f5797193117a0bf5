// One job: what its followers are shown after each message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { event, following, job, pass, recorder, setUp, settled, snapshot } from './fake-server.js';

const scenes = (...percentages) => ({
  nodes: percentages.map((percentage, index) => ({ id: `scene_${index}`, prompt: `Prompt ${index}`, percentage })),
});
const running = (version, percentage, ...parts) => ({
  progress: { id: 'progress_1', percentage, version, stageLabel: 'Generating' },
  scenes: scenes(...parts),
});
const progress = (version, percentage, scene = 'scene_0', part = percentage) => ({
  __typename: 'SceneProgress',
  sceneId: scene,
  takeNumber: 1,
  scene: { id: scene, percentage: part },
  progress: { id: 'progress_1', percentage, version },
});

test('progress is merged into its scene and its job', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 5, { job: running(5, 10, 20, null) });
  const before = structuredClone(seen.shown[0]);
  await socket.next('jobEvents', progress(5, 30, 'scene_0', 60));
  assert.deepEqual(seen.shown[1], {
    ...job(5),
    progress: { id: 'progress_1', percentage: 30, version: 5, stageLabel: 'Generating' },
    scenes: scenes(60, null),
  });
  assert.equal(seen.messages[1].__typename, 'SceneProgress');
  assert.deepEqual(seen.shown[0], before, 'a shown job is never changed');
});

test('progress of which the document selects nothing but the scene is merged', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 5, { job: running(5, 10, 20) });
  await socket.next('jobEvents', { __typename: 'SceneProgress', scene: { id: 'scene_0', percentage: 60 } });
  assert.deepEqual(seen.shown[1].scenes, scenes(60));
  assert.equal(seen.shown[1].progress.percentage, 10);
});

test('progress is merged into scenes in edges', async (t) => {
  const world = setUp(t);
  const edges = scenes(20, null).nodes.map((node) => ({ cursor: node.id, node }));
  const { seen, socket } = await following(world, 5, { job: { ...running(5, 10), scenes: { edges } } });
  await socket.next('jobEvents', progress(5, 30, 'scene_0', 60));
  assert.deepEqual(seen.shown[1].scenes.edges.map(({ cursor, node }) => [cursor, node.percentage]), [
    ['scene_0', 60],
    ['scene_1', null],
  ]);
});

for (const version of [4, 6]) {
  test(`progress of version ${version} is not merged into version 5: that state never was`, async (t) => {
    const world = setUp(t);
    const { seen, socket } = await following(world, 5, { job: running(5, 10, 20) });
    await socket.next('jobEvents', progress(version, 90));
    assert.equal(seen.shown.length, 1);
  });
}

test('progress that is older than shown, as after the restart of a server, is not merged', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 5, { job: running(5, 10, 20) });
  await socket.next('jobEvents', progress(5, 60));
  socket.drop(1006);
  await pass(250);
  const second = await world.accepted(2);
  await second.next('jobEvents', event(5));
  for (const percentage of [55, 60, 65]) await second.next('jobEvents', progress(5, percentage));
  assert.deepEqual(seen.shown.map((each) => each.progress.percentage), [10, 60, 60, 65]);
});

test('an event shows the current job, which may be newer than the event', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 5);
  await socket.next('jobEvents', event(6, 8));
  await socket.next('jobEvents', progress(8, 50));
  await socket.next('jobEvents', event(7, 8));
  await socket.next('jobEvents', event(8, 8));
  assert.deepEqual(seen.messages.map(({ version }) => version), [5, 6, undefined, 7, 8]);
  assert.deepEqual(seen.shown.map(({ version }) => version), [5, 8, 8, 8, 8]);
});

test('a job older than the shown one is not shown, but its event is', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 5);
  await socket.next('jobEvents', event(6, 8));
  await socket.next('jobEvents', event(7, 7));
  assert.deepEqual(seen.shown.map(({ version }) => version), [5, 8, 8]);
  assert.equal(seen.messages[2].version, 7);
});

test('the last event of a purged job shows the job as it was', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 5);
  await socket.next('jobEvents', { ...event(6), job: null });
  assert.deepEqual(seen.shown.map(({ version }) => version), [5, 5]);
});

for (const reason of ['LAGGED', 'LOG_TRUNCATED']) {
  test(`a snapshot with the reason ${reason} replaces the job, and a reconnect resumes after it`, async (t) => {
    const world = setUp(t);
    const { seen, socket } = await following(world, 5, { job: running(5, 10, 20) });
    await socket.next('jobEvents', { ...snapshot(900, running(900, 70, 80)), reason });
    assert.deepEqual(seen.shown[1], { ...job(900), ...running(900, 70, 80) });
    socket.drop(1006);
    await pass(250);
    assert.equal((await world.accepted(2)).operation('jobEvents').payload.variables.after, 899);
  });
}

test('a snapshot of a restored database replaces a newer job', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 50);
  socket.drop(1006);
  await pass(250);
  const second = await world.accepted(2);
  await second.next('jobEvents', { ...snapshot(20), reason: 'LOG_TRUNCATED' });
  await second.next('jobEvents', event(21));
  assert.deepEqual(seen.shown.map(({ version }) => version), [50, 20, 21]);
  assert.equal(world.client.state, 'live');
});

test('an event that comes again after a reconnect is shown once', async (t) => {
  const world = setUp(t);
  const { seen, socket } = await following(world, 5);
  socket.drop(1006);
  await pass(250);
  const second = await world.accepted(2);
  await second.next('jobEvents', event(5));
  await second.next('jobEvents', event(6));
  assert.deepEqual(seen.messages.map(({ version }) => version), [5, 6]);
});

test('progress after an event that came again says nothing about being current', async (t) => {
  const world = setUp(t);
  const { socket } = await following(world, 5, { job: running(5, 10, 20) });
  socket.drop(1006);
  await pass(250);
  const second = await world.accepted(2);
  await second.next('jobEvents', event(5, 7));
  await second.next('jobEvents', progress(5, 90));
  assert.equal(world.client.state, 'reconnecting');
});

for (const [missing, message] of [
  ['__typename', { version: 5, reason: 'INITIAL', job: job(5) }],
  ['version', { __typename: 'JobSnapshot', job: job(5) }],
]) {
  test(`a document that does not select ${missing} ends its stream with a TypeError`, async (t) => {
    const world = setUp(t);
    const seen = recorder();
    world.client.followJob('job_1', seen, 'subscription S($jobId: ID!) { jobEvents(jobId: $jobId) { x } }');
    const socket = await world.accepted(1);
    await socket.next('jobEvents', message);
    assert.match(String(seen.ends[0]), /^TypeError: A jobEvents document must select __typename, and version/);
    assert.deepEqual(seen.shown, []);
  });
}

test('documents of generated code are used as they are', async (t) => {
  const world = setUp(t);
  const text = 'subscription Mine($jobId: ID!, $after: Int) { jobEvents(jobId: $jobId, after: $after) { __typename } }';
  class TypedDocumentString extends String {}
  const parsed = { kind: 'Document', definitions: [], loc: { source: { body: text } } };
  for (const document of [text, new TypedDocumentString(text), parsed]) world.client.followJob('job_1', recorder(), document);
  const socket = await world.accepted(1);
  assert.deepEqual(socket.operations.map(({ payload }) => payload.query), [text], 'equal documents share a stream');
  assert.throws(() => world.client.followJob('job_1', recorder(), { kind: 'Document', definitions: [] }), /documentMode/);
});

test('one who stops is shown nothing more, also from within show', async (t) => {
  const world = setUp(t);
  const { socket, seen } = await following(world, 5);
  const second = recorder();
  const stop = world.client.followJob('job_1', {
    show: (...shown) => {
      second.show(...shown);
      stop();
    },
  });
  await settled();
  await socket.next('jobEvents', event(6));
  assert.deepEqual([second.shown.length, seen.shown.length], [1, 2]);
});

test('one who is stopped by another in the same message is not shown it', async (t) => {
  const world = setUp(t);
  const stops = [];
  world.client.followJob('job_1', { show: () => stops.forEach((stop) => stop()) });
  const { seen, socket, stop } = await following(world, 5);
  stops.push(stop);
  await socket.next('jobEvents', event(6));
  assert.deepEqual(seen.shown.map(({ version }) => version), [5]);
});
