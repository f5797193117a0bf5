// Follows a job and the list of jobs; the test at the other end of the pipe gives it tokens.
// node --experimental-websocket follow.js ADDRESS JOB
// Prints {"ask": refused token or null}, and reads the token from the next line; prints {"state"}, {"job", "message"},
// {"jobs"} and {"end"}. The line {"request": document} makes it run a query and print {"data"} or {"failed": code}.
import { createInterface } from 'node:readline';
import { createClient } from '../dist/index.js';

const [, , address, jobId] = process.argv;
const print = (line) => console.log(JSON.stringify(line));
const asked = [];
const token = (refused) => {
  print({ ask: refused ?? null });
  return new Promise((resolve) => asked.push(resolve));
};
const client = createClient({ url: `${address}/graphql`, token, onState: (state) => print({ state }) });

async function request(document) {
  try {
    print({ data: await client.request(document) });
  } catch ({ code, message }) {
    print({ failed: code ?? message });
  }
}

createInterface(process.stdin).on('line', (text) => {
  const line = JSON.parse(text);
  if (line.request) void request(line.request);
  else asked.shift()(line.token ?? undefined);
});
const end = (reason) => print({ end: reason?.code ?? reason?.message ?? null });
client.followJob(jobId, { show: (job, message) => print({ job, message }), end });
client.followJobs({}, { show: (jobs) => print({ jobs }), end });
