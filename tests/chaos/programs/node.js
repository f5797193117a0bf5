// Follows jobs with @scenewire/client: node --experimental-websocket BUNDLE ADDRESS JOB...
import { createClient } from '@scenewire/client';
import { OWN_DOCUMENT, shownState } from './shown.js';

const [, , address, ...jobIds] = process.argv;
const print = (line) => process.stdout.write(`${JSON.stringify({ at: Date.now() / 1000, ...line })}\n`);
const client = createClient({ url: `${address}/graphql` });
const summary = ({ __typename, reason, version, sceneId, progress }) =>
  `${__typename} ${reason ?? sceneId ?? 'of the job'} ${version ?? progress?.version}`;

jobIds.forEach((jobId, index) =>
  client.followJob(
    jobId,
    {
      show: (job, message) => print({ jobId, message: summary(message), shown: shownState(job) }),
      end: (reason) => print({ jobId, end: String(reason) }),
    },
    index === 0 ? OWN_DOCUMENT : undefined,
  ),
);
process.once('SIGTERM', () => client.close());
