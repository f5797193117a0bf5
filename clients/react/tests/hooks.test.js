// The hooks in React, and in Preact by preact/compat.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Window } from 'happy-dom';
import { StrictMode, act, createElement as h, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { event, pass, setUp, settled, snapshot } from '../../javascript/tests/fake-server.js';
import { ScenewireProvider, useClient, useConnectionState, useJob, useJobs } from '../dist/index.js';

const CLIENTS = fileURLToPath(new URL('../..', import.meta.url));
const window = new Window();
const { document } = window;
// The client finds no page, so that its timers are those of the test alone.
const inPage = async (act) => {
  Object.assign(globalThis, { window, document, IS_REACT_ACT_ENVIRONMENT: true });
  try {
    return await act();
  } finally {
    delete globalThis.document;
    globalThis.IS_REACT_ACT_ENVIRONMENT = false;
  }
};

/** Renders into a page; `text()` is what it shows. */
function screen(t, world) {
  const container = document.createElement('div');
  const root = createRoot(container);
  const render = (element, Outer = 'div') =>
    inPage(() => act(async () => root.render(h(Outer, null, h(ScenewireProvider, { client: world.client }, element)))));
  const during = (change) => inPage(() => act(change));
  t.after(() => during(() => root.unmount()));
  return { render, during, text: () => container.textContent };
}

let renders = 0;
function Job({ id }) {
  const { job, state, error } = useJob(id);
  renders += 1;
  return h('p', null, `${job?.title ?? 'none'} ${state} ${error?.code ?? ''}`);
}

function Jobs({ filter }) {
  const { jobs, state } = useJobs(filter);
  return h('p', null, `${jobs?.map(({ title }) => title).join() ?? 'none'} ${state}`);
}

const subscribes = (socket) => socket.sent.filter(({ type }) => type === 'subscribe').length;

async function shown(t, world, element = h(Job, { id: 'job_1' }), Outer = undefined) {
  const page = screen(t, world);
  await page.render(element, Outer);
  const socket = await world.accepted(1);
  await page.during(() => socket.next('jobEvents', snapshot(5)));
  return { page, socket };
}

test('a component shows the job, and whether it is current', async (t) => {
  const world = setUp(t);
  const page = screen(t, world);
  const before = renders;
  await page.render(h(Job, { id: 'job_1' }));
  assert.deepEqual([page.text(), renders - before], ['none connecting ', 1]);
  const socket = await world.accepted(1);
  await page.during(() => socket.next('jobEvents', snapshot(5)));
  assert.equal(page.text(), 'Title 5 live ');
  await page.during(() => socket.next('jobEvents', event(6)));
  assert.equal(page.text(), 'Title 6 live ');
  await page.during(() => socket.drop(1006));
  assert.equal(page.text(), 'Title 6 reconnecting ');
});

test('an effect that runs twice, as in StrictMode, subscribes once', async (t) => {
  const world = setUp(t);
  const { page, socket } = await shown(t, world, h(Job, { id: 'job_1' }), StrictMode);
  await page.during(() => socket.next('jobEvents', event(6)));
  assert.deepEqual([page.text(), subscribes(socket)], ['Title 6 live ', 1]);
});

test('components that show one job share a subscription', async (t) => {
  const world = setUp(t);
  const { page, socket } = await shown(t, world, h('div', null, h(Job, { id: 'job_1' }), h(Job, { id: 'job_1' })));
  assert.deepEqual([page.text(), subscribes(socket)], ['Title 5 live Title 5 live ', 1]);
  await page.render(null);
  await page.during(() => pass(1_500));
  assert.deepEqual(socket.operations, []);
});

test('a component that is mounted later shows the job in its first render', async (t) => {
  const world = setUp(t);
  const { page, socket } = await shown(t, world);
  const texts = [];
  const Late = () => {
    texts.push(useJob('job_1').job?.title);
    return null;
  };
  await page.render(h('div', null, h(Job, { id: 'job_1' }), h(Late)));
  assert.deepEqual([...new Set(texts)], ['Title 5']);
  await page.render(null);
  await page.during(() => pass(500));
  await page.render(h(Late));
  await page.during(() => pass(2_000));
  await page.during(() => socket.next('jobEvents', event(6)));
  assert.deepEqual([...new Set(texts)], ['Title 5', 'Title 6']);
  assert.equal(subscribes(socket), 1);
});

test('another id shows nothing of the job before', async (t) => {
  const world = setUp(t);
  const { page, socket } = await shown(t, world);
  await page.render(h(Job, { id: 'job_2' }));
  assert.match(page.text(), /^none /);
  await page.during(() => pass(1_500));
  assert.deepEqual(socket.operations.map(({ payload }) => payload.variables.jobId), ['job_2']);
});

test('an unmounted component follows no longer', async (t) => {
  const world = setUp(t);
  const listeners = new Set();
  const { onState } = world.client;
  world.client.onState = (listener) => {
    const stop = onState(listener);
    listeners.add(listener);
    return () => (stop(), listeners.delete(listener));
  };
  const { page, socket } = await shown(t, world);
  await page.render(null);
  await page.during(() => pass(2_500));
  assert.deepEqual([socket.operations, socket.readyState, listeners.size], [[], 3, 0]);
});

test('a refused stream shows its error', async (t) => {
  const world = setUp(t);
  const { page, socket } = await shown(t, world);
  await page.during(() => socket.error('jobEvents', 'NOT_FOUND'));
  assert.equal(page.text(), 'Title 5 closed NOT_FOUND');
  world.client.followJob('job_2', { show: () => undefined });
  await page.during(settled);
  await page.during(() => socket.next('jobEvents', snapshot(1)));
  assert.deepEqual([page.text(), world.client.state], ['Title 5 closed NOT_FOUND', 'live']);
});

test('renders of a parent, with an equal filter each, subscribe once', async (t) => {
  const world = setUp(t);
  const page = screen(t, world);
  let renderAgain;
  const Parent = () => {
    const [count, setCount] = useState(0);
    renderAgain = () => setCount(count + 1);
    return h(Jobs, { filter: count % 2 ? { search: 'x', status: ['PENDING'] } : { status: ['PENDING'], search: 'x' } });
  };
  await page.render(h(Parent));
  const socket = await world.accepted(1);
  for (let count = 0; count < 20; count += 1) await page.during(() => renderAgain());
  assert.deepEqual(socket.sent.slice(1).map(({ payload }) => payload.query.match(/jobs\w*\(/)[0]), ['jobsUpdated(', 'jobs(']);
  assert.equal(page.text(), 'none connecting');
  await page.during(() => socket.answer('jobs', { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } }));
  assert.equal(page.text(), ' live');
});

test('a message renders a component once', async (t) => {
  const world = setUp(t);
  const { page, socket } = await shown(t, world);
  const before = renders;
  await page.during(() => socket.next('jobEvents', event(6)));
  assert.equal(renders - before, 1);
});

test('without an id nothing is followed', async (t) => {
  const world = setUp(t);
  const page = screen(t, world);
  await page.render(h(Job, { id: undefined }));
  await page.during(() => settled());
  assert.deepEqual([page.text(), world.sockets.length], ['none connecting ', 0]);
});

test('the state of the connection is shown without following anything', async (t) => {
  const world = setUp(t);
  const State = () => useConnectionState();
  const { page } = await shown(t, world, h('div', null, h(Job, { id: 'job_1' }), h(State)));
  assert.equal(page.text(), 'Title 5 live live');
});

test('a server renders the state before the first message, and connects to nothing', async (t) => {
  const world = setUp(t);
  const element = h(ScenewireProvider, { client: world.client }, h(Job, { id: 'job_1' }), h(Jobs, {}));
  assert.equal(renderToString(element), '<p>none connecting </p><p>none connecting</p>');
  await settled();
  assert.equal(world.sockets.length, 0);
});

test('a hook outside of a provider says what it lacks', () => {
  const Outside = () => h('p', null, String(useClient()));
  assert.throws(() => renderToString(h(Outside)), /need a ScenewireProvider/);
});

/** Imports a module that esbuild bundles from this text. */
async function bundled(t, contents, options) {
  const folder = await mkdtemp(path.join(CLIENTS, 'node_modules', '.test-')); // from where packages are found
  t.after(() => rm(folder, { recursive: true }));
  const outfile = path.join(folder, 'bundle.mjs');
  const stdin = { contents, resolveDir: path.join(CLIENTS, 'react') };
  await build({ stdin, bundle: true, format: 'esm', outfile, absWorkingDir: CLIENTS, ...options });
  return import(outfile);
}

test('the hooks work in Preact', async (t) => {
  const world = setUp(t);
  const contents = `
    export * from './dist/index.js';
    export { createElement, render } from 'preact/compat';
    export { act } from 'preact/test-utils';`;
  const preact = await bundled(t, contents, { alias: { react: 'preact/compat' } });
  const container = document.createElement('div');
  const Title = () => {
    const { job, state } = preact.useJob('job_1');
    return `${job?.title} ${state}`;
  };
  const provider = preact.createElement(preact.ScenewireProvider, { client: world.client }, preact.createElement(Title));
  await inPage(() => preact.act(() => preact.render(provider, container)));
  assert.equal(container.textContent, 'undefined connecting');
  const socket = await world.accepted(1);
  await inPage(() => preact.act(() => socket.next('jobEvents', snapshot(5))));
  assert.equal(container.textContent, 'Title 5 live');
  await inPage(() => preact.act(() => preact.render(null, container)));
  await pass(1_500);
  assert.deepEqual(socket.operations, []);
});

test('the example of docs/clients.md shows the jobs that run, and says when they may be old', async (t) => {
  const world = setUp(t);
  const { App } = await bundled(t, "export { App } from '../../docs/clients/react.jsx';", {
    jsx: 'automatic',
    packages: 'external',
  });
  const container = document.createElement('div');
  const root = createRoot(container);
  const during = (change) => inPage(() => act(change));
  await during(async () => root.render(h(App, { client: world.client })));
  const socket = await world.accepted(1);
  const ids = (nodes) => ({ nodes, pageInfo: { hasNextPage: false, endCursor: null } });
  await during(() => socket.answer('jobs', ids([{ id: 'job_1' }])));
  await during(() => socket.next('jobsUpdated', { id: 'job_1', status: 'PROCESSING', createdAt: '2026' }));
  await during(() => socket.next('jobEvents', snapshot(5, { progress: { percentage: 40, version: 5 } })));
  const bar = container.querySelector('progress');
  assert.deepEqual([bar.getAttribute('aria-label'), bar.getAttribute('value')], ['Title 5', '40']);
  assert.equal(container.querySelector('[role=status]'), null);
  await during(() => socket.drop(1006));
  assert.equal(container.querySelector('[role=status]').textContent, 'Catching up');
  await during(() => root.unmount());
});
