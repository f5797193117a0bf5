// Follows a job in the terminal: node --experimental-websocket run.js scenewire|apollo ADDRESS JOB
import * as apollo from './apollo.js';
import * as graphqlWs from './graphql-ws.js';
import * as scenewire from './scenewire.js';

const [, , which, address, jobId] = process.argv;
const print = (line) => console.log(JSON.stringify(line));
const onState = (state) => stopped || print({ state });
const show = (job, message) => print({ message, job });
const end = (reason) => print({ end: reason?.message ?? null });

let stopped = false;
const uri = `${address}/graphql`;

function withScenewire() {
  const client = scenewire.connect(uri, onState);
  const stop = scenewire.follow(client, jobId, { show, end });
  return () => (client.close(), stop());
}

function withApollo() {
  const socket = graphqlWs.connect(uri.replace(/^http/, 'ws'), onState);
  return apollo.follow(apollo.apollo(uri, socket), jobId, { show, end });
}

const stop = { scenewire: withScenewire, apollo: withApollo }[which]();
process.once('SIGTERM', () => {
  stopped = true;
  stop(); // then nothing keeps the process alive
});
