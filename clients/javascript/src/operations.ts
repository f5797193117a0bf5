// Generated from the schema by `make client-types`.
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
/** The type of an event in a job's log. */
export type EventType =
  | 'JOB_CREATED'
  /** title, metadata, output or outputFailure of the job changed. */
  | 'JOB_UPDATED'
  | 'JOB_STARTED'
  | 'JOB_CANCELED'
  /** The job became COMPLETED, FAILED or CANCELED. */
  | 'JOB_SETTLED'
  | 'JOB_DELETED'
  | 'JOB_RESTORED'
  | 'SCENE_ADDED'
  /** Fields of the scene changed. Its status did not, except when a leased take returned to the queue because its worker released it or was lost. */
  | 'SCENE_UPDATED'
  | 'SCENE_STARTED'
  | 'SCENE_COMPLETED'
  | 'SCENE_FAILED'
  /** A take failed, and an automatic retry is scheduled. */
  | 'SCENE_RETRYING'
  | 'SCENE_CANCELED'
  /** A new take was requested; the scene is PENDING again. */
  | 'SCENE_REGENERATED'
  /** The scene shows another take. */
  | 'SCENE_TAKE_SELECTED'
  | 'SCENE_DELETED'
  | 'SCENE_RESTORED'
  /** The play order changed. */
  | 'SCENES_REORDERED';

/** Select jobs that match every given field. */
export type JobFilter = {
  /** Any of these statuses. */
  status?: Array<JobStatus> | null | undefined;
  /** A part of the title, in any case (Unicode case folding). */
  search?: string | null | undefined;
  /** Changed at or after this instant. */
  updatedSince?: string | null | undefined;
  ownerId?: string | null | undefined;
};

/** The stage of a job as a whole; computed from its scenes. */
export type JobStage =
  /** Not started. */
  | 'WAITING'
  /** Scenes are queued; none is rendering. */
  | 'QUEUED'
  /** At least one scene is rendering. */
  | 'GENERATING'
  /** Every pending scene waits for an automatic retry; none is rendering. */
  | 'RETRYING'
  /** All scenes are completed; their clips are being joined to the job's output. */
  | 'ASSEMBLING'
  /** All scenes are completed and no assembly is pending; see Job.output and Job.outputFailure. */
  | 'DONE'
  /** Failed or canceled. */
  | 'STOPPED';

/** The status of a job; derived from its scenes, never set directly. */
export type JobStatus =
  /** Created and not started: a storyboard that can be edited freely. */
  | 'PENDING'
  /** Started, and at least one live scene is pending or processing. */
  | 'PROCESSING'
  /** The job has live scenes, and all of them are completed. */
  | 'COMPLETED'
  /** No live scene is pending or processing, and at least one failed. */
  | 'FAILED'
  /** Canceled on request; no live scene is pending or processing. */
  | 'CANCELED';

/** An operation on a scene, named after its mutation. */
export type SceneAction =
  | 'UPDATE'
  | 'REGENERATE'
  | 'CANCEL'
  | 'DELETE'
  | 'RESTORE'
  | 'MOVE'
  | 'SELECT_TAKE';

/** The status of a scene. */
export type SceneStatus =
  /** Not rendering yet: a storyboard, queued, or waiting for an automatic retry. */
  | 'PENDING'
  /** The current take is being rendered. */
  | 'PROCESSING'
  /** The current take has a clip. */
  | 'COMPLETED'
  /** The current take failed and is not retried automatically. */
  | 'FAILED'
  /** Canceled on request. */
  | 'CANCELED';

/** Why a stream sends a snapshot instead of events. */
export type SnapshotReason =
  /** First message of a stream that named no version. */
  | 'INITIAL'
  /** The named version is older than the retained log. */
  | 'LOG_TRUNCATED'
  /** The client was too slow, or the server was late and the log had been pruned; this snapshot replaces the events that were not sent. */
  | 'LAGGED';

export type JobFeedSubscriptionVariables = Exact<{
  jobId: string;
  after?: number | null | undefined;
}>;


export type JobFeedSubscription = { jobEvents:
    | { __typename: 'JobSnapshot', reason: SnapshotReason, version: number, job: { id: string, title: string, provider: string, status: JobStatus, version: number, createdAt: string, updatedAt: string, startedAt: string | null, finishedAt: string | null, deletedAt: string | null, progress: { id: string, total: number, pending: number, processing: number, completed: number, failed: number, canceled: number, percentage: number, currentStage: JobStage, stageLabel: string, etaSeconds: number | null, version: number }, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, scenes: { nodes: Array<{ id: string, position: number, title: string | null, prompt: string, durationSeconds: number, status: SceneStatus, percentage: number | null, attempts: number, maxAttempts: number, nextAttemptAt: string | null, queuePosition: number | null, version: number, availableActions: Array<SceneAction>, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, poster: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, failure: { code: string, message: string, retryable: boolean } | null }> } } | null }
    | { __typename: 'JobEvent', version: number, type: EventType, sceneId: string | null, occurredAt: string, job: { id: string, title: string, provider: string, status: JobStatus, version: number, createdAt: string, updatedAt: string, startedAt: string | null, finishedAt: string | null, deletedAt: string | null, progress: { id: string, total: number, pending: number, processing: number, completed: number, failed: number, canceled: number, percentage: number, currentStage: JobStage, stageLabel: string, etaSeconds: number | null, version: number }, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, scenes: { nodes: Array<{ id: string, position: number, title: string | null, prompt: string, durationSeconds: number, status: SceneStatus, percentage: number | null, attempts: number, maxAttempts: number, nextAttemptAt: string | null, queuePosition: number | null, version: number, availableActions: Array<SceneAction>, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, poster: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, failure: { code: string, message: string, retryable: boolean } | null }> } } | null }
    | { __typename: 'SceneProgress', sceneId: string | null, takeNumber: number, scene: { id: string, percentage: number | null } | null, progress: { id: string, total: number, pending: number, processing: number, completed: number, failed: number, canceled: number, percentage: number, currentStage: JobStage, stageLabel: string, etaSeconds: number | null, version: number } }
   };

export type FollowedJobFragment = { id: string, title: string, provider: string, status: JobStatus, version: number, createdAt: string, updatedAt: string, startedAt: string | null, finishedAt: string | null, deletedAt: string | null, progress: { id: string, total: number, pending: number, processing: number, completed: number, failed: number, canceled: number, percentage: number, currentStage: JobStage, stageLabel: string, etaSeconds: number | null, version: number }, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, scenes: { nodes: Array<{ id: string, position: number, title: string | null, prompt: string, durationSeconds: number, status: SceneStatus, percentage: number | null, attempts: number, maxAttempts: number, nextAttemptAt: string | null, queuePosition: number | null, version: number, availableActions: Array<SceneAction>, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, poster: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, failure: { code: string, message: string, retryable: boolean } | null }> } };

export type FollowedSceneFragment = { id: string, position: number, title: string | null, prompt: string, durationSeconds: number, status: SceneStatus, percentage: number | null, attempts: number, maxAttempts: number, nextAttemptAt: string | null, queuePosition: number | null, version: number, availableActions: Array<SceneAction>, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, poster: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null, failure: { code: string, message: string, retryable: boolean } | null };

export type FollowedProgressFragment = { id: string, total: number, pending: number, processing: number, completed: number, failed: number, canceled: number, percentage: number, currentStage: JobStage, stageLabel: string, etaSeconds: number | null, version: number };

export type FileFragment = { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null };

export type JobIdsQueryVariables = Exact<{
  filter?: JobFilter | null | undefined;
  after?: string | null | undefined;
}>;


export type JobIdsQuery = { jobs: { nodes: Array<{ id: string }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type JobListSubscriptionVariables = Exact<{
  filter?: JobFilter | null | undefined;
}>;


export type JobListSubscription = { jobsUpdated: { id: string, title: string, provider: string, status: JobStatus, version: number, ownerId: string, createdAt: string, updatedAt: string, deletedAt: string | null, progress: { id: string, total: number, completed: number, failed: number, percentage: number, currentStage: JobStage, stageLabel: string, etaSeconds: number | null, version: number }, output: { url: string, contentType: string, width: number | null, height: number | null, durationSeconds: number | null } | null } };

export const JOB_FEED =
  'subscription JobFeed($jobId: ID!, $after: Int) { jobEvents(jobId: $jobId, after: $after) { __typename ... on JobSnapshot { reason version job { ...FollowedJob } } ... on JobEvent { version type sceneId occurredAt job { ...FollowedJob } } ... on SceneProgress { sceneId takeNumber scene { id percentage } progress { ...FollowedProgress } } } } fragment FollowedJob on Job { id title provider status version createdAt updatedAt startedAt finishedAt deletedAt progress { ...FollowedProgress } output { ...File } scenes { nodes { ...FollowedScene } } } fragment FollowedScene on Scene { id position title prompt durationSeconds status percentage attempts maxAttempts nextAttemptAt queuePosition version output { ...File } poster { ...File } failure { code message retryable } availableActions } fragment FollowedProgress on JobProgress { id total pending processing completed failed canceled percentage currentStage stageLabel etaSeconds version } fragment File on Media { url contentType width height durationSeconds }';

export const JOB_IDS =
  'query JobIds($filter: JobFilter, $after: String) { jobs(filter: $filter, first: 100, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }';

export const JOB_LIST =
  'subscription JobList($filter: JobFilter) { jobsUpdated(filter: $filter) { id title provider status version ownerId createdAt updatedAt deletedAt progress { id total completed failed percentage currentStage stageLabel etaSeconds version } output { url contentType width height durationSeconds } } }';
