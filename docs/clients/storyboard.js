// Creates a job, starts it and follows it: node --experimental-websocket storyboard.js ADDRESS
import { createClient, GraphQLFailure } from '@scenewire/client';

// #region page
const CREATE = `mutation Create($input: CreateJobInput!) {
  createJob(input: $input) { job { id } errors { code message path } }
}`;

export async function render(url, prompts, onProgress) {
  const client = createClient({ url, onState: (state) => onProgress(`(${state})`) });
  try {
    const input = { title: 'A day at sea', scenes: prompts.map((prompt) => ({ prompt })), start: true };
    const { createJob } = await client.request(CREATE, { input });
    if (createJob.errors.length) throw new Error(createJob.errors[0].message); // such as a prompt that is too long
    return await new Promise((resolve, reject) => {
      client.followJob(createJob.job.id, {
        show(job) {
          onProgress(`${job.progress.percentage.toFixed()} % ${job.progress.stageLabel}`);
          if (['COMPLETED', 'FAILED', 'CANCELED'].includes(job.status)) resolve(job);
        },
        end: (reason) => reject(reason ?? new Error('The job was purged')),
      });
    });
  } catch (error) {
    if (error instanceof GraphQLFailure && error.code === 'RATE_LIMITED') onProgress(`again in ${error.retryAfterSeconds} s`);
    throw error;
  } finally {
    client.close();
  }
}
// #endregion

const job = await render(`${process.argv[2]}/graphql`, ['A boat leaves', 'A boat returns'], (line) => console.log(line));
console.log(job.status);
