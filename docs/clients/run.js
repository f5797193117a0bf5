// Follows a job in the terminal: node --experimental-websocket run.js graphql-ws|apollo ADDRESS JOB
import * as apollo from './apollo.js';
import * as graphqlWs from './graphql-ws.js';

const [, , which, address, jobId] = process.argv;
const print = (line) => console.log(JSON.stringify(line));
const onState = (state) => print({ state });
const show = (job, message) => print({ message, job });
const end = (reason) => print({ end: reason?.message ?? null });

const uri = `${address}/graphql`;
const socket = graphqlWs.connect(uri.replace(/^http/, 'ws'), onState);
const stop =
  which === 'apollo'
    ? apollo.follow(apollo.apollo(uri, socket), jobId, { show, end })
    : graphqlWs.follow(socket, jobId, { show, end });
process.once('SIGTERM', () => stop()); // then nothing keeps the process alive
