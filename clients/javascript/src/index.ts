export { createClient, type Client, type DefaultJob, type DefaultListedJob, type Options } from './client.js';
export type { ConnectionState } from './connection.js';
export { textOf, type TypedDocument } from './documents.js';
export { GraphQLFailure, type GraphQLError } from './failures.js';
export { fold, type JobMessage, type JobSink } from './job.js';
export type { JobsSink, ListedJob } from './jobs.js';
export { JOB_FEED, JOB_IDS, JOB_LIST } from './operations.js';
export type * from './schema.js';
export type { TokenSource } from './tokens.js';
