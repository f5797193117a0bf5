// Compiled, not run: the types that callers rely on.
import { GraphQLFailure, createClient, type ConnectionState, type Job, type TypedDocument } from '@scenewire/client';
import { useJob, useJobs } from '@scenewire/react';

/** As GraphQL Code Generator writes it with `documentMode: 'string'`. */
declare class TypedDocumentString<Result, Variables> extends String {
  __apiType?: (variables: Variables) => Result;
}
/** As it writes parsed documents. */
interface TypedDocumentNode<Result, Variables> {
  kind: 'Document';
  definitions: readonly object[];
  __apiType?: (variables: Variables) => Result;
}
type Title = { job: Pick<Job, 'title'> | null };
declare const text: TypedDocumentString<Title, { id: string }>;
declare const parsed: TypedDocumentNode<Title, { id: string }>;
declare const feed: TypedDocument<{ jobEvents: object }, { jobId: string; after?: number | null }>;

export const client = createClient({ url: '/graphql', token: () => localStorage.getItem('token') ?? undefined });
export const state: ConnectionState = client.state;

export async function requests(): Promise<string[]> {
  const { job } = await client.request(text, { id: 'job_1' });
  const again = await client.request(parsed, { id: 'job_1' }, { signal: AbortSignal.timeout(1_000) });
  // @ts-expect-error the variable is a string
  await client.request(text, { id: 1 });
  // @ts-expect-error the result has no such field
  again.jobs;
  const plain = await client.request<{ a: number }>('{ a }');
  plain.a.toFixed();
  return [job?.title ?? '', again.job?.title ?? ''];
}

export const stop: () => void = client.followJob('job_1', {
  show(job, message) {
    job.scenes.nodes.map(({ failure, availableActions }) => [failure?.message, availableActions.includes('CANCEL')]);
    // @ts-expect-error the default document does not select it
    job.metadata;
    message.version?.toFixed();
  },
  end: (reason) => reason instanceof GraphQLFailure && reason.code,
});
client.followJob<{ id: string }>('job_1', { show: ({ id }) => id.trim() }, feed);
client.followJobs({ status: ['PENDING'] }, { show: (jobs) => jobs.map(({ title }) => title) });
// @ts-expect-error no such status
client.followJobs({ status: ['RUNNING'] }, { show: () => undefined });

export function Title(): string {
  const { job, state, error } = useJob('job_1');
  const { jobs } = useJobs({ search: 'boat' });
  return `${job?.title} ${state} ${error?.message} ${jobs?.length}`;
}
