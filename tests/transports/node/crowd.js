// Follows a job with many clients at once: node crowd.js WS_URL JOB CLIENTS
// Every second client has the settings of docs/live.md, the others have the defaults of graphql-ws.
// Prints {"version": n} when every client has received that version, and {"end": reason} when a client gives up.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import * as documented from '../../../docs/clients/graphql-ws.js';

const [, , url, jobId, clients] = process.argv;
const query = `subscription($jobId: ID!, $after: Int) {
  jobEvents(jobId: $jobId, after: $after) { ... on JobSnapshot { version } ... on JobEvent { version } }
}`;
const print = (line) => console.log(JSON.stringify(line));
const received = new Map();

const sink = {
  next: ({ data }) => {
    const { version } = data.jobEvents;
    received.set(version, (received.get(version) ?? 0) + 1);
    if (received.get(version) === Number(clients)) print({ version });
  },
  error: (reason) => print({ end: `${reason.code ?? ''} ${reason.reason ?? reason.message ?? reason}` }),
  complete: () => print({ end: 'complete' }),
};

for (let client = 0; client < clients; client += 1) {
  const request = { query, variables: { jobId } };
  if (client % 2) documented.subscribe(documented.connect(url, () => {}), request, sink);
  else createClient({ url, webSocketImpl: WebSocket }).subscribe(request, sink);
}
