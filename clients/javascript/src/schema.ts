// Generated from the schema by `make client-types`.
export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** An instant by RFC 3339. Output is in UTC; input has an offset or Z. */
  DateTime: { input: string; output: string; }
  /** A JSON object, not an array or a scalar; at most 16 KiB of JSON. */
  JSONObject: { input: Record<string, unknown>; output: Record<string, unknown>; }
  /** A whole number up to 2^53 - 1, for sizes and seeds, which Int cannot hold. */
  SafeInt: { input: number; output: number; }
};

/** A token that its maker hands to browsers or workers. It reads or changes the jobs that it names and nothing else. */
export type AccessToken = Node & {
  id: Scalars['ID']['output'];
  label?: Maybe<Scalars['String']['output']>;
  createdAt: Scalars['DateTime']['output'];
  expiresAt: Scalars['DateTime']['output'];
  /** Up to a minute old. */
  lastUsedAt?: Maybe<Scalars['DateTime']['output']>;
  revokedAt?: Maybe<Scalars['DateTime']['output']>;
  /** The jobs that it names; null: all of its maker's, those made later included. */
  jobIds?: Maybe<Array<Scalars['ID']['output']>>;
  /** What it permits; EDIT includes READ. */
  grants: Array<Grant>;
};

/** A scene to add to a job. */
export type AddSceneInput = {
  jobId: Scalars['ID']['input'];
  scene: NewSceneInput;
  /** 0-based position in play order; at the end when omitted. */
  position?: InputMaybe<Scalars['Int']['input']>;
  /** Fail with STALE_VERSION unless Job.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  /** A retry with the same key and the same input within 24 hours returns the first result and changes nothing; another input with the same key fails with IDEMPOTENCY_CONFLICT. */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
};

/** An uploaded file that takes can use as an input. */
export type Asset = Node & {
  id: Scalars['ID']['output'];
  kind: AssetKind;
  name?: Maybe<Scalars['String']['output']>;
  status: AssetStatus;
  /** SHA-256 of the file in lower-case hex: the announced one, and once READY the one of the stored bytes. */
  sha256?: Maybe<Scalars['String']['output']>;
  /** The client's own data. */
  metadata: Scalars['JSONObject']['output'];
  ownerId: Scalars['ID']['output'];
  createdAt: Scalars['DateTime']['output'];
  updatedAt: Scalars['DateTime']['output'];
  deletedAt?: Maybe<Scalars['DateTime']['output']>;
  /** When the asset is removed permanently. Until then a deleted asset can be restored, and the bytes of a WAITING one can be uploaded. Null for a READY asset that is not deleted. */
  purgeAfter?: Maybe<Scalars['DateTime']['output']>;
  /** Why the asset was rejected. FILE_OTHER_SIZE, FILE_OTHER_HASH, FILE_OTHER_TYPE: the bytes differ from the announced size, hash or type. FILE_UNREADABLE, FILE_TRUNCATED, FILE_TOO_LARGE, FILE_TOO_LONG, FILE_WITHOUT_PICTURE: the file cannot be used. */
  failure?: Maybe<SceneFailure>;
  /** The file; null until the asset is READY. */
  media?: Maybe<Media>;
  /** A still image of the file; null for audio, and until the asset is READY. */
  poster?: Maybe<Media>;
};

/** The asset that a mutation acts on. */
export type AssetActionInput = {
  assetId: Scalars['ID']['input'];
};

/** A page of assets, newest first. */
export type AssetConnection = {
  edges: Array<AssetEdge>;
  nodes: Array<Asset>;
  pageInfo: PageInfo;
  /** Number of assets on all pages. */
  totalCount: Scalars['Int']['output'];
};

export type AssetEdge = {
  cursor: Scalars['String']['output'];
  node: Asset;
};

/** The kind of media in an asset. */
export type AssetKind =
  | 'IMAGE'
  | 'VIDEO'
  | 'AUDIO';

/** The asset and its upload target while bytes are missing, or the errors. */
export type AssetPayload = {
  asset?: Maybe<Asset>;
  /** Returned by createAsset, and by completeAsset while bytes are missing. */
  upload?: Maybe<UploadTarget>;
  errors: Array<UserError>;
};

/** The status of an asset. */
export type AssetStatus =
  /** The upload is not complete, or completeAsset was not called yet. */
  | 'WAITING'
  /** The bytes match what was announced; takes can use the asset. */
  | 'READY'
  /** The bytes do not match what was announced, or cannot be used; see failure. */
  | 'REJECTED';

/** Whether clips of a model have sound. */
export type AudioSupport =
  | 'NEVER'
  /** Only when RenderSettings.audio is true. */
  | 'OPTIONAL'
  | 'ALWAYS';

/** What happens to valid items of a batch when other items fail. */
export type BatchPolicy =
  /** One failed item aborts the whole batch; nothing is written. */
  | 'ALL_OR_NOTHING'
  /** Valid items are written; failed items carry their own errors. */
  | 'BEST_EFFORT';

export type ClaimTakesInput = {
  worker: WorkerInput;
  /** Maximum number of takes to lease, 1 to 16. */
  most?: Scalars['Int']['input'];
  /** Duration of each lease, 10 to 3600 seconds. Renew the lease after a third of it. */
  leaseSeconds?: Scalars['Int']['input'];
  /** Seconds to wait for a take when none can be leased at once, 0 to 30. */
  waitSeconds?: Scalars['Int']['input'];
};

/** The new leases, or when there are none, why waiting takes were passed over. */
export type ClaimTakesPayload = {
  leases: Array<TakeLease>;
  passedOver: Array<PassedOver>;
  errors: Array<UserError>;
};

/** A concurrent change came first: read the object again and retry (STALE_VERSION, IDEMPOTENCY_CONFLICT), or stop rendering the take (LEASE_LOST). */
export type ConflictError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
  currentVersion?: Maybe<Scalars['Int']['output']>;
};

/** A new asset: a file that will be uploaded. */
export type CreateAssetInput = {
  kind: AssetKind;
  /** The media type of a PNG, JPEG or WebP image, an MP4, QuickTime, WebM or Matroska video, or an MP3, WAV, FLAC, Ogg or M4A audio file. The uploaded bytes must match it. */
  contentType: Scalars['String']['input'];
  sizeBytes: Scalars['SafeInt']['input'];
  /** SHA-256 of the file in lower-case hex; the uploaded bytes must match it. A file that the caller already has needs no upload: the asset is READY at once. */
  sha256?: InputMaybe<Scalars['String']['input']>;
  /** 1 to 200 characters. */
  name?: InputMaybe<Scalars['String']['input']>;
  /** The client's own data; at most 16 KiB of JSON. */
  metadata?: InputMaybe<Scalars['JSONObject']['input']>;
  /** A retry with the same key and the same input within 24 hours returns the first result and changes nothing; another input with the same key fails with IDEMPOTENCY_CONFLICT. */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
};

/** A new job. */
export type CreateJobInput = {
  /** 1 to 200 characters. */
  title: Scalars['String']['input'];
  /** In play order; at most 200. */
  scenes?: Array<NewSceneInput>;
  /** One of ServerInfo.providers; when omitted, that of settings.model, else the server's default. */
  provider?: InputMaybe<Scalars['String']['input']>;
  /** The client's own data; at most 16 KiB of JSON. */
  metadata?: InputMaybe<Scalars['JSONObject']['input']>;
  /** Start the job in the same transaction. */
  start?: Scalars['Boolean']['input'];
  /** A retry with the same key and the same input within 24 hours returns the first result and changes nothing; another input with the same key fails with IDEMPOTENCY_CONFLICT. */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
  /** The default settings of its scenes. */
  settings?: InputMaybe<RenderSettingsInput>;
};

/** A new access token. */
export type CreateTokenInput = {
  /** 1 to 100 jobs of the caller; when omitted, all of the caller's, those made later included. A token with the grant WORK names none. */
  jobIds?: InputMaybe<Array<Scalars['ID']['input']>>;
  /** What it permits, each once; at least one. */
  grants: Array<Grant>;
  /** 60..86400 */
  expiresInSeconds?: Scalars['Int']['input'];
  /** What it is for; shown in lists and in the audit log. */
  label?: InputMaybe<Scalars['String']['input']>;
};

/** A new webhook. */
export type CreateWebhookInput = {
  /** An https URL on the public internet; a development server also accepts http and private addresses. */
  url: Scalars['String']['input'];
  /** The event types to deliver; at least one. */
  events: Array<EventType>;
  /** Deliver events of this job only; of all jobs of the caller when omitted. */
  jobId?: InputMaybe<Scalars['ID']['input']>;
};

/** The id of the deleted scene and its job, or the errors. */
export type DeleteScenePayload = {
  deletedSceneId?: Maybe<Scalars['ID']['output']>;
  /** Until then restoreScene can restore it. */
  purgeAfter?: Maybe<Scalars['DateTime']['output']>;
  job?: Maybe<Job>;
  errors: Array<UserError>;
};

/** The id of the deleted webhook, or the errors. */
export type DeleteWebhookPayload = {
  deletedWebhookId?: Maybe<Scalars['ID']['output']>;
  errors: Array<UserError>;
};

/** The status of a webhook delivery. */
export type DeliveryStatus =
  /** Not attempted yet: due now, or waiting for an earlier event of the same job. */
  | 'PENDING'
  /** The endpoint answered with 2xx. */
  | 'SUCCEEDED'
  /** The last attempt failed; another one is scheduled. */
  | 'FAILED'
  /** No attempt succeeded within a day of the first failure. redeliverWebhook starts again. */
  | 'EXHAUSTED';

/** The cause of an error, for clients to branch on. */
export type ErrorCode =
  /** An input breaks a rule of its field. */
  | 'VALIDATION_FAILED'
  /** The object does not exist or is not visible to the caller. */
  | 'NOT_FOUND'
  /** The caller may read the object but not perform the operation. */
  | 'FORBIDDEN'
  /** The scene belongs to another job than the given one. */
  | 'SCENE_NOT_IN_JOB'
  /** The current status does not allow the operation. */
  | 'INVALID_TRANSITION'
  /** A pending or processing scene cannot be regenerated. */
  | 'NOT_REGENERABLE'
  /** A job that is processing, and its scenes, cannot be deleted. */
  | 'JOB_PROCESSING'
  /** The object is deleted and accepts only a restore. */
  | 'ALREADY_DELETED'
  /** The object is not deleted and cannot be restored. */
  | 'NOT_DELETED'
  /** The recovery window of the deleted object is over. */
  | 'RECOVERY_EXPIRED'
  /** The object is at another version than expectedVersion. */
  | 'STALE_VERSION'
  /** The idempotency key was used with another input. */
  | 'IDEMPOTENCY_CONFLICT'
  /** The new order does not name every live scene exactly once. */
  | 'INCOMPLETE_ORDER'
  /** The quota of the operation is used up; see retryAfterSeconds. */
  | 'RATE_LIMITED'
  /** More items than allowed, such as more than 200 scenes in a job. */
  | 'LIMIT_EXCEEDED'
  /** The item is valid, but another one aborted an ALL_OR_NOTHING batch. */
  | 'BATCH_ABORTED'
  /** The report is about a take that is not the current one, or that another worker is rendering. */
  | 'STALE_TAKE'
  /** The inputs of a live scene refer to the asset. */
  | 'ASSET_IN_USE'
  /** The upload is not complete, or its bytes do not match what was announced. */
  | 'UPLOAD_REFUSED'
  /** The model does not support the request; see allowed and alternatives. */
  | 'NOT_SUPPORTED'
  /** The lease has expired, or its take was canceled, regenerated, deleted or taken over. */
  | 'LEASE_LOST';

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

export type FailTakeInput = {
  /** The token of the lease, from claimTakes. */
  token: Scalars['String']['input'];
  failure: FailureInput;
};

/** Why a scene failed, as reported by its worker. */
export type FailureInput = {
  code: Scalars['String']['input'];
  message: Scalars['String']['input'];
  retryable?: Scalars['Boolean']['input'];
};

export type FinishTakeInput = {
  /** The token of the lease, from claimTakes. */
  token: Scalars['String']['input'];
  /** The seed that was used. */
  seed?: InputMaybe<Scalars['SafeInt']['input']>;
  /** The settings that were used, where they differ from those of the lease. */
  settings?: InputMaybe<RenderSettingsInput>;
  /** Other measurements of the render, stored with the take. */
  metrics?: InputMaybe<Scalars['JSONObject']['input']>;
};

/** The caller may read the object but not perform the operation. FORBIDDEN. */
export type ForbiddenError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
};

/** What an access token permits. */
export type Grant =
  /** Read the jobs that it names, and follow them live. */
  | 'READ'
  /** Change them, too. */
  | 'EDIT'
  /** Lease takes as a worker: those of its maker's jobs, or of all jobs if its maker may. */
  | 'WORK';

/** A header of a request. */
export type HttpHeader = {
  name: Scalars['String']['output'];
  value: Scalars['String']['output'];
};

/** How a clip uses an input file. */
export type InputRole =
  /** The first frame of the clip. */
  | 'FIRST_FRAME'
  /** The last frame of the clip. */
  | 'LAST_FRAME'
  /** An image of a subject or style for the clip, such as a person; there may be several. */
  | 'REFERENCE'
  /** The video that the clip edits or continues. */
  | 'SOURCE_VIDEO'
  /** Audio that the clip follows, such as speech. */
  | 'REFERENCE_AUDIO';

/** A video to be made: up to 200 scenes in play order, rendered by one provider and joined to one file. A job that is not started yet is a storyboard. */
export type Job = Node & {
  id: Scalars['ID']['output'];
  title: Scalars['String']['output'];
  /** The provider that renders the scenes: a configured name, or "external" when workers outside this server report through updateScene. */
  provider: Scalars['String']['output'];
  status: JobStatus;
  ownerId: Scalars['ID']['output'];
  metadata: Scalars['JSONObject']['output'];
  /** Increases with each event of the job; the position of the newest event. See expectedVersion. */
  version: Scalars['Int']['output'];
  createdAt: Scalars['DateTime']['output'];
  updatedAt: Scalars['DateTime']['output'];
  startedAt?: Maybe<Scalars['DateTime']['output']>;
  finishedAt?: Maybe<Scalars['DateTime']['output']>;
  deletedAt?: Maybe<Scalars['DateTime']['output']>;
  /** When the deleted job can no longer be restored; null unless it is deleted. */
  purgeAfter?: Maybe<Scalars['DateTime']['output']>;
  /** The current progress. */
  progress: JobProgress;
  /** The default settings of its scenes. */
  settings: RenderSettings;
  /** The assembled video. Null until every live scene is completed, and again while it is assembled after a scene was regenerated, moved, deleted, restored or got another take. It arrives after the job has settled, as a JOB_UPDATED event with changed output: wait for it with jobEvents without untilSettled, or with jobProgress until currentStage is no longer ASSEMBLING. */
  output?: Maybe<Media>;
  /** The changes made to the clips to join them; empty while there is no output. */
  outputAdjustments: Array<OutputAdjustment>;
  /** Why the clips could not be assembled; the scenes stay completed. CLIP_ELSEWHERE: a clip is stored outside this server. NO_CLIP: a scene has no clip. CLIP_UNREADABLE, CLIP_TRUNCATED, CLIP_WITHOUT_PICTURE, CLIP_TOO_LONG, CLIP_TOO_LARGE: a clip cannot be played; the message names its scene. JOIN_TOO_LARGE, JOIN_TIMEOUT: the assembly exceeded its limit of memory or time. It is attempted again when a scene is regenerated, moved, deleted, restored or gets another take. */
  outputFailure?: Maybe<SceneFailure>;
  /** The scenes in play order; all of them when neither first nor last is given. */
  scenes: SceneConnection;
  /** One scene of this job; null when the id belongs to another job. */
  scene?: Maybe<Scene>;
  /** The event log after a version, oldest first, for clients that poll: the same events and versions as in Subscription.jobEvents. */
  events: Array<JobEvent>;
};


/** A video to be made: up to 200 scenes in play order, rendered by one provider and joined to one file. A job that is not started yet is a storyboard. */
export type JobScenesArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  status?: InputMaybe<Array<SceneStatus>>;
  includeDeleted?: Scalars['Boolean']['input'];
};


/** A video to be made: up to 200 scenes in play order, rendered by one provider and joined to one file. A job that is not started yet is a storyboard. */
export type JobSceneArgs = {
  id: Scalars['ID']['input'];
};


/** A video to be made: up to 200 scenes in play order, rendered by one provider and joined to one file. A job that is not started yet is a storyboard. */
export type JobEventsArgs = {
  first?: Scalars['Int']['input'];
  after?: InputMaybe<Scalars['Int']['input']>;
};

/** The job that a mutation acts on. */
export type JobActionInput = {
  jobId: Scalars['ID']['input'];
  /** Fail with STALE_VERSION unless Job.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  /** A retry with the same key and the same input within 24 hours returns the first result and changes nothing; another input with the same key fails with IDEMPOTENCY_CONFLICT. */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
};

/** A page of jobs. */
export type JobConnection = {
  edges: Array<JobEdge>;
  nodes: Array<Job>;
  pageInfo: PageInfo;
  /** Number of jobs on all pages. */
  totalCount: Scalars['Int']['output'];
};

export type JobEdge = {
  cursor: Scalars['String']['output'];
  node: Job;
};

/** One entry of a job's event log. */
export type JobEvent = {
  /** Position in the job's log: 1, 2, 3, … without gaps. */
  version: Scalars['Int']['output'];
  type: EventType;
  jobId: Scalars['ID']['output'];
  /** The scene that the event is about; null for an event of the job. */
  sceneId?: Maybe<Scalars['ID']['output']>;
  occurredAt: Scalars['DateTime']['output'];
  /** The principal that caused the event; null for the server itself. */
  actorId?: Maybe<Scalars['ID']['output']>;
  /** Names of the fields that changed. */
  changed: Array<Scalars['String']['output']>;
  /** The scene in its current state, which may be newer than the event; null once it is purged. */
  scene?: Maybe<Scene>;
  /** The job in its current state, which may be newer than the event. */
  job?: Maybe<Job>;
  /** The current progress of the job, which may be newer than the event. */
  progress: JobProgress;
};

export type JobFeedMessage = JobSnapshot | JobEvent | SceneProgress;

/** Select jobs that match every given field. */
export type JobFilter = {
  /** Any of these statuses. */
  status?: InputMaybe<Array<JobStatus>>;
  /** A part of the title, in any case (Unicode case folding). */
  search?: InputMaybe<Scalars['String']['input']>;
  /** Changed at or after this instant. */
  updatedSince?: InputMaybe<Scalars['DateTime']['input']>;
  ownerId?: InputMaybe<Scalars['ID']['input']>;
};

/** The order of a list of jobs; equal values are ordered by id. */
export type JobOrder = {
  field?: JobOrderField;
  direction?: OrderDirection;
};

/** The field by which jobs are ordered. */
export type JobOrderField =
  | 'CREATED_AT'
  | 'UPDATED_AT'
  | 'TITLE';

/** The changed job, or the errors. */
export type JobPayload = {
  job?: Maybe<Job>;
  errors: Array<UserError>;
};

/** Progress of a job: the number of its live scenes by status, and a percentage. total = pending + processing + completed + failed + canceled. */
export type JobProgress = {
  jobId: Scalars['ID']['output'];
  total: Scalars['Int']['output'];
  pending: Scalars['Int']['output'];
  processing: Scalars['Int']['output'];
  completed: Scalars['Int']['output'];
  failed: Scalars['Int']['output'];
  canceled: Scalars['Int']['output'];
  /** 0 to 100: 100 * (completed + the sum of the fractions of the other scenes) / total. 100 only when all live scenes are completed; 0 for a job without scenes. Decreases only after a regenerate, add, delete or restore: the progress of a failed or canceled take still counts. */
  percentage: Scalars['Float']['output'];
  currentStage: JobStage;
  /** For end users, such as "Generating scene 3 of 8". */
  stageLabel: Scalars['String']['output'];
  /** Job.version at this snapshot; one with a lower version is stale. */
  version: Scalars['Int']['output'];
  updatedAt: Scalars['DateTime']['output'];
  /** progress_… with the suffix of the job's id: globally unique, so that normalized caches keep one record per job. Not the id of a Node: Query.node returns null for it. */
  id: Scalars['ID']['output'];
  /** Estimated seconds until the job settles, including takes of other jobs ahead in the queue. Null unless the job is PROCESSING, and until a take of its provider has finished. */
  etaSeconds?: Maybe<Scalars['Float']['output']>;
};

/** The state of a job up to and including version; the events that follow have higher versions. */
export type JobSnapshot = {
  reason: SnapshotReason;
  version: Scalars['Int']['output'];
  /** Never null; the type is that of JobEvent.job, so that a document can select job on every member. */
  job?: Maybe<Job>;
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

/** An input file of a leased take, with a URL to download it. */
export type LeaseFile = {
  role: InputRole;
  /** The name by which the prompt refers to the file. */
  name?: Maybe<Scalars['String']['output']>;
  media: Media;
};

/** The lease (null once it has ended) and its scene, or the errors. */
export type LeasePayload = {
  lease?: Maybe<TakeLease>;
  scene?: Maybe<Scene>;
  errors: Array<UserError>;
};

/** A media file: a clip, a still image or a preview. */
export type Media = {
  /** Supports byte ranges. A signed URL is valid until expiresAt; query it again for a new one. */
  url: Scalars['String']['output'];
  contentType: Scalars['String']['output'];
  /** Null when the URL does not expire. */
  expiresAt?: Maybe<Scalars['DateTime']['output']>;
  sizeBytes?: Maybe<Scalars['SafeInt']['output']>;
  width?: Maybe<Scalars['Int']['output']>;
  height?: Maybe<Scalars['Int']['output']>;
  durationSeconds?: Maybe<Scalars['Float']['output']>;
};

/** A model of a provider, and what it supports; the id is "provider/model". */
export type Model = {
  id: Scalars['ID']['output'];
  provider: Scalars['String']['output'];
  name: Scalars['String']['output'];
  /** False when the model cannot be used now: credentials are missing, or no worker has it. */
  available: Scalars['Boolean']['output'];
  unavailableReason?: Maybe<Scalars['String']['output']>;
  /** Supported lengths; null when every length from minimum to maximum is supported. */
  durationsSeconds?: Maybe<Array<Scalars['Float']['output']>>;
  minDurationSeconds: Scalars['Float']['output'];
  maxDurationSeconds: Scalars['Float']['output'];
  /** Supported aspect ratios, such as 16:9; empty when all are supported. */
  aspectRatios: Array<Scalars['String']['output']>;
  /** Supported resolutions; empty when all are supported. */
  resolutions: Array<Resolution>;
  /** Supported roles of input files. */
  roles: Array<InputRole>;
  /** Maximum number of inputs with the role REFERENCE. */
  maxReferences: Scalars['Int']['output'];
  /** Sets of mutually exclusive roles. */
  exclusive: Array<Array<InputRole>>;
  /** Whether the model supports a seed. */
  seed: Scalars['Boolean']['output'];
  /** Whether the model supports a negative prompt. */
  negativePrompt: Scalars['Boolean']['output'];
  audio: AudioSupport;
  /** Maximum length of a prompt in characters; null when only the general limit applies. */
  maxPromptLength?: Maybe<Scalars['Int']['output']>;
  /** JSON Schema of RenderSettings.options; null when the model has no options. */
  optionsSchema?: Maybe<Scalars['JSONObject']['output']>;
};

/** An amount of money. */
export type Money = {
  /** A decimal number, such as "0.35". */
  amount: Scalars['String']['output'];
  /** The code of ISO 4217, such as USD. */
  currency: Scalars['String']['output'];
};

/** A live scene and its new position. */
export type MoveSceneInput = {
  sceneId: Scalars['ID']['input'];
  /** When given, fail with SCENE_NOT_IN_JOB unless the scene belongs to this job. */
  jobId?: InputMaybe<Scalars['ID']['input']>;
  /** 0-based position in play order. */
  position: Scalars['Int']['input'];
  /** Fail with STALE_VERSION unless Scene.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
};

export type Mutation = {
  /** Create a job with its scenes; with start, also queue them for rendering. */
  createJob: JobPayload;
  /** Change the title or the metadata of a job. Equal values change nothing. */
  updateJob: JobPayload;
  /** Start a pending job: queue all its scenes for rendering. A job that is processing is not changed. */
  startJob: JobPayload;
  /** Cancel every pending or processing scene. Completed and failed scenes keep their status and clips. */
  cancelJob: JobPayload;
  /** Delete a job with its scenes. Fails with JOB_PROCESSING while the job is processing. restoreJob can restore it until purgeAfter. */
  deleteJob: JobPayload;
  /** Restore a deleted job. Scenes that were deleted individually stay deleted. */
  restoreJob: JobPayload;
  /** Set the play order of all live scenes of a job. */
  reorderScenes: JobPayload;
  /** Add a scene to a job; in a started job it is queued for rendering at once. */
  addScene: ScenePayload;
  /** Edit a scene (title, prompt, durationSeconds, metadata, settings, inputs), or report the progress of an external render (status, providerId, percentage, outputUrl, failure). A change of status starts a pending job. */
  updateScene: ScenePayload;
  /** Render a completed, failed or canceled scene again: its status becomes PENDING, clip and provider id are cleared, and a new take is queued. Earlier takes are kept. */
  regenerateScene: ScenePayload;
  /** Cancel a pending or processing scene and stop its render. */
  cancelScene: ScenePayload;
  /** Delete a scene. Fails with JOB_PROCESSING while the job is processing. restoreScene can restore it until purgeAfter. */
  deleteScene: DeleteScenePayload;
  /** Restore a deleted scene at its former position; in a started job a pending scene is queued again. */
  restoreScene: ScenePayload;
  /** Show an earlier completed take of a scene again: its clip, its prompt and its times. The scene becomes COMPLETED. */
  selectTake: ScenePayload;
  /** Move a live scene to another position; the scenes in between move by one. */
  moveScene: ScenePayload;
  /** Edit or report on scenes of one job, each with its own fields, as updateScene does. */
  updateScenes: ScenesPayload;
  /** Render completed, failed or canceled scenes of one job again, each with its own prompt. */
  regenerateScenes: ScenesPayload;
  /** Cancel pending or processing scenes of one job. */
  cancelScenes: ScenesPayload;
  /** Delete scenes of one job; restoreScenes can restore them until purgeAfter. */
  deleteScenes: ScenesPayload;
  /** Restore deleted scenes of one job at their former positions. */
  restoreScenes: ScenesPayload;
  /** Create an asset. Upload the file to the target, then call completeAsset. With the sha256 of a file that the caller already has, the asset is READY at once and upload is null. */
  createAsset: AssetPayload;
  /** Complete an upload: inspect the file and make the asset READY or REJECTED. Fails with UPLOAD_REFUSED while bytes are missing (upload is the target for them) and for a REJECTED asset. */
  completeAsset: AssetPayload;
  /** Delete an asset; restoreAsset can restore it until purgeAfter. Fails with ASSET_IN_USE while the inputs of a live scene refer to it. */
  deleteAsset: AssetPayload;
  /** Restore a deleted asset. */
  restoreAsset: AssetPayload;
  /** Lease waiting takes of jobs whose provider is "leased"; when there are none, wait up to waitSeconds. Callers with the role worker or admin lease takes of every owner, others takes of their own jobs. */
  claimTakes: ClaimTakesPayload;
  /** Extend a lease, and report the progress of its take. */
  renewLease: LeasePayload;
  /** Finish a take whose clip is uploaded. The lease ends; the server inspects the clip, makes its poster and preview and completes the scene, or fails the take when the clip cannot be played. A repeated call changes nothing. */
  finishTake: LeasePayload;
  /** Report that a take failed. The lease ends; a retryable failure is retried automatically. */
  failTake: LeasePayload;
  /** Return a take to the queue. The lease ends, and no attempt is used up. */
  releaseTake: LeasePayload;
  /** Make an access token for some jobs, and return its secret, which is shown only once. The jobs must be the caller's. An access token makes no further ones. */
  createToken: TokenPayload;
  /** Revoke an access token: requests with it are refused, and its websockets and streams end. One that is revoked already does not change. */
  revokeToken: TokenPayload;
  /** Create a webhook; the payload holds its signing secret. An owner can have 20. */
  createWebhook: WebhookPayload;
  /** Change a webhook. A new url, or active after it was inactive, clears disabledReason and makes pending deliveries due now. */
  updateWebhook: WebhookPayload;
  /** Replace the signing secret; for 24 hours the old secret signs too. */
  rotateWebhookSecret: WebhookPayload;
  /** Delete a webhook and its deliveries. */
  deleteWebhook: DeleteWebhookPayload;
  /** Send a sample event now, also to an inactive webhook. It is attempted once and does not affect the state of the webhook; query the delivery by node(id) for the result. */
  testWebhook: WebhookDeliveryPayload;
  /** Send a delivery again now, with the same id and body; retries continue for another day. */
  redeliverWebhook: WebhookDeliveryPayload;
};


export type MutationCreateJobArgs = {
  input: CreateJobInput;
};


export type MutationUpdateJobArgs = {
  input: UpdateJobInput;
};


export type MutationStartJobArgs = {
  input: JobActionInput;
};


export type MutationCancelJobArgs = {
  input: JobActionInput;
};


export type MutationDeleteJobArgs = {
  input: JobActionInput;
};


export type MutationRestoreJobArgs = {
  input: JobActionInput;
};


export type MutationReorderScenesArgs = {
  input: ReorderScenesInput;
};


export type MutationAddSceneArgs = {
  input: AddSceneInput;
};


export type MutationUpdateSceneArgs = {
  input: UpdateSceneInput;
};


export type MutationRegenerateSceneArgs = {
  input: RegenerateSceneInput;
};


export type MutationCancelSceneArgs = {
  input: SceneActionInput;
};


export type MutationDeleteSceneArgs = {
  input: SceneActionInput;
};


export type MutationRestoreSceneArgs = {
  input: SceneActionInput;
};


export type MutationSelectTakeArgs = {
  input: SelectTakeInput;
};


export type MutationMoveSceneArgs = {
  input: MoveSceneInput;
};


export type MutationUpdateScenesArgs = {
  input: UpdateScenesInput;
};


export type MutationRegenerateScenesArgs = {
  input: SceneBatchInput;
};


export type MutationCancelScenesArgs = {
  input: SceneBatchInput;
};


export type MutationDeleteScenesArgs = {
  input: SceneBatchInput;
};


export type MutationRestoreScenesArgs = {
  input: SceneBatchInput;
};


export type MutationCreateAssetArgs = {
  input: CreateAssetInput;
};


export type MutationCompleteAssetArgs = {
  input: AssetActionInput;
};


export type MutationDeleteAssetArgs = {
  input: AssetActionInput;
};


export type MutationRestoreAssetArgs = {
  input: AssetActionInput;
};


export type MutationClaimTakesArgs = {
  input: ClaimTakesInput;
};


export type MutationRenewLeaseArgs = {
  input: RenewLeaseInput;
};


export type MutationFinishTakeArgs = {
  input: FinishTakeInput;
};


export type MutationFailTakeArgs = {
  input: FailTakeInput;
};


export type MutationReleaseTakeArgs = {
  input: ReleaseTakeInput;
};


export type MutationCreateTokenArgs = {
  input: CreateTokenInput;
};


export type MutationRevokeTokenArgs = {
  input: TokenActionInput;
};


export type MutationCreateWebhookArgs = {
  input: CreateWebhookInput;
};


export type MutationUpdateWebhookArgs = {
  input: UpdateWebhookInput;
};


export type MutationRotateWebhookSecretArgs = {
  input: WebhookActionInput;
};


export type MutationDeleteWebhookArgs = {
  input: WebhookActionInput;
};


export type MutationTestWebhookArgs = {
  input: WebhookActionInput;
};


export type MutationRedeliverWebhookArgs = {
  deliveryId: Scalars['ID']['input'];
};

/** A new scene. */
export type NewSceneInput = {
  /** 1 to 4,000 characters, in one or several lines. */
  prompt: Scalars['String']['input'];
  /** 1 to 200 characters. */
  title?: InputMaybe<Scalars['String']['input']>;
  /** Length of the clip, 0.5 to 60 seconds. When omitted, 5 s or the nearest length of the model. */
  durationSeconds?: InputMaybe<Scalars['Float']['input']>;
  /** The client's own data; at most 16 KiB of JSON. */
  metadata?: InputMaybe<Scalars['JSONObject']['input']>;
  /** Settings of the scene; an omitted setting is inherited from the job. */
  settings?: InputMaybe<RenderSettingsInput>;
  /** Input files of the scene, at most 16; they replace the previous ones. Null or [] removes all. */
  inputs?: InputMaybe<Array<RenderInputInput>>;
};

/** An object with a globally unique id. Ids are typed and sortable (TypeID: job_…, scene_…, take_…, webhook_…, delivery_…, asset_…, token_…) and the same in GraphQL, REST, logs and webhooks. */
export type Node = {
  id: Scalars['ID']['output'];
};

/** The object does not exist or is not visible to the caller. NOT_FOUND or SCENE_NOT_IN_JOB. */
export type NotFoundError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
  id?: Maybe<Scalars['ID']['output']>;
};

/** The model does not support the request; nothing was ordered. NOT_SUPPORTED. */
export type NotSupportedError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
  /** The id of the requested model. */
  model: Scalars['String']['output'];
  /** The values that would be accepted in this place, as text to show to users; empty when there are none. */
  allowed: Array<Scalars['String']['output']>;
  /** Available models that support the whole request. */
  alternatives: Array<Model>;
};

/** Ascending or descending. */
export type OrderDirection =
  | 'ASC'
  | 'DESC';

/** A change made to clips to join them. ENCODED: the video was re-encoded, because the clips differ or browsers cannot play them; without this code it was copied. TURNED, PIXELS_SQUARED, RESIZED: the orientation, pixel shape or size was adapted to the frame of the first clip. TONE_MAPPED: high dynamic range or wide gamut was converted to standard range. RATE_LOWERED: frames were dropped. PICTURE_HELD: the last frame is held until the sound ends. More codes may follow. */
export type OutputAdjustment = {
  code: Scalars['String']['output'];
  /** The scenes concerned; empty when all are. */
  sceneIds: Array<Scalars['ID']['output']>;
  message: Scalars['String']['output'];
};

/** The position of a page in its list. */
export type PageInfo = {
  hasNextPage: Scalars['Boolean']['output'];
  hasPreviousPage: Scalars['Boolean']['output'];
  startCursor?: Maybe<Scalars['String']['output']>;
  endCursor?: Maybe<Scalars['String']['output']>;
};

/** A reason why waiting takes were not leased, and their number. */
export type PassedOver = {
  /** "no such model", "other labels are required", "the next attempt is not due", "the worker says that it is unhealthy", or "the limit of concurrent leased takes is reached". */
  reason: Scalars['String']['output'];
  /** Number of takes; at most 10,000 waiting takes are counted. */
  takes: Scalars['Int']['output'];
};

export type Query = {
  /** Any object by its id; null when it does not exist or is not visible to the caller. */
  node?: Maybe<Node>;
  /** One job; null when it does not exist or is not visible to the caller. */
  job?: Maybe<Job>;
  /** A page of the jobs that are visible to the caller. */
  jobs: JobConnection;
  /** One scene; null when it is not visible to the caller or, with jobId, belongs to another job. */
  scene?: Maybe<Scene>;
  /** Models of the configured providers, the default model of each first; with fits and roles, only models that support all of them. */
  models: Array<Model>;
  /** The authenticated principal of the request. */
  viewer: Viewer;
  /** Version and configuration of the server. */
  serverInfo: ServerInfo;
  /** A page of the assets that are visible to the caller, newest first. */
  assets: AssetConnection;
  /** Workers that are visible to the caller: for an admin all; for others their own, and those that lease or leased their takes. */
  workers: Array<Worker>;
  /** The caller's webhooks, oldest first; with jobId, those of that job only. */
  webhooks: Array<Webhook>;
};


export type QueryNodeArgs = {
  id: Scalars['ID']['input'];
};


export type QueryJobArgs = {
  id: Scalars['ID']['input'];
};


export type QueryJobsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<JobFilter>;
  orderBy?: InputMaybe<JobOrder>;
  includeDeleted?: Scalars['Boolean']['input'];
};


export type QuerySceneArgs = {
  id: Scalars['ID']['input'];
  jobId?: InputMaybe<Scalars['ID']['input']>;
};


export type QueryModelsArgs = {
  provider?: InputMaybe<Scalars['String']['input']>;
  fits?: InputMaybe<RenderSettingsInput>;
  roles?: InputMaybe<Array<InputRole>>;
};


export type QueryAssetsArgs = {
  first?: InputMaybe<Scalars['Int']['input']>;
  after?: InputMaybe<Scalars['String']['input']>;
  last?: InputMaybe<Scalars['Int']['input']>;
  before?: InputMaybe<Scalars['String']['input']>;
  kind?: InputMaybe<Array<AssetKind>>;
  search?: InputMaybe<Scalars['String']['input']>;
  includeDeleted?: Scalars['Boolean']['input'];
};


export type QueryWebhooksArgs = {
  jobId?: InputMaybe<Scalars['ID']['input']>;
};

/** The state of a rate limit (token bucket). 2147483647 means unlimited. */
export type Quota = {
  /** Maximum number of uses at once: the size of the bucket. */
  limit: Scalars['Int']['output'];
  /** Number of uses available now. */
  remaining: Scalars['Int']['output'];
  /** When the bucket is full again, if unused until then. */
  resetAt: Scalars['DateTime']['output'];
};

/** The quota is used up; a rejected operation does not count. RATE_LIMITED. */
export type RateLimitedError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
  /** Seconds until the operation is accepted again. */
  retryAfterSeconds: Scalars['Float']['output'];
  quota: Quota;
};

/** A completed, failed or canceled scene to render again. */
export type RegenerateSceneInput = {
  sceneId: Scalars['ID']['input'];
  /** When given, fail with SCENE_NOT_IN_JOB unless the scene belongs to this job. */
  jobId?: InputMaybe<Scalars['ID']['input']>;
  /** 1 to 4,000 characters, in one or several lines. The scene's prompt when omitted. */
  prompt?: InputMaybe<Scalars['String']['input']>;
  /** Settings of the scene; an omitted setting is inherited from the job. */
  settings?: InputMaybe<RenderSettingsInput>;
  /** Input files of the scene, at most 16; they replace the previous ones. Null or [] removes all. */
  inputs?: InputMaybe<Array<RenderInputInput>>;
  /** Fail with STALE_VERSION unless Scene.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  /** A retry with the same key and the same input within 24 hours returns the first result and changes nothing; another input with the same key fails with IDEMPOTENCY_CONFLICT. */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
};

/** A take to return to the queue; another worker may lease it at once, and no attempt is used up. */
export type ReleaseTakeInput = {
  /** The token of the lease, from claimTakes. */
  token: Scalars['String']['input'];
  reason?: InputMaybe<Scalars['String']['input']>;
};

/** An input file of a take: an asset, the frame of another take at atSeconds (the last frame when null) or, with the role SOURCE_VIDEO, the clip of that take. Both asset and take are null once the object is purged. */
export type RenderInput = {
  role: InputRole;
  /** The name by which the prompt refers to the file. */
  name?: Maybe<Scalars['String']['output']>;
  atSeconds?: Maybe<Scalars['Float']['output']>;
  /** The asset, even if it was deleted later. */
  asset?: Maybe<Asset>;
  /** The take whose frame or clip is used. */
  take?: Maybe<SceneTake>;
};

/** An input file of the clip: exactly one of assetId and takeId. A take provides the frame of its clip at atSeconds (the last frame when omitted) or, with the role SOURCE_VIDEO, its clip. */
export type RenderInputInput = {
  role: InputRole;
  /** The name by which the prompt refers to the file; 1 to 200 characters, unique in the scene. */
  name?: InputMaybe<Scalars['String']['input']>;
  /** An asset that is READY: an IMAGE as FIRST_FRAME, LAST_FRAME or REFERENCE, a VIDEO as SOURCE_VIDEO, an AUDIO as REFERENCE_AUDIO. */
  assetId?: InputMaybe<Scalars['ID']['input']>;
  /** A completed take of a job of the same owner. */
  takeId?: InputMaybe<Scalars['ID']['input']>;
  /** Time of the frame in the clip of the take, in seconds. */
  atSeconds?: InputMaybe<Scalars['Float']['input']>;
};

/** Settings of a render. Null leaves the choice to the model. */
export type RenderSettings = {
  /** The id of the model; null for the provider's default. */
  model?: Maybe<Scalars['String']['output']>;
  /** Ratio of width to height, such as 16:9. */
  aspectRatio?: Maybe<Scalars['String']['output']>;
  resolution?: Maybe<Resolution>;
  /** 0 to 4294967295. The same seed with the same prompt, settings and inputs gives the same clip, if the model is deterministic. */
  seed?: Maybe<Scalars['SafeInt']['output']>;
  negativePrompt?: Maybe<Scalars['String']['output']>;
  /** Whether the clip has sound. */
  audio?: Maybe<Scalars['Boolean']['output']>;
  /** Options of the model, which must match Model.optionsSchema; inherited and replaced as a whole, like every setting. */
  options: Scalars['JSONObject']['output'];
};

/** Settings of renders. An omitted or null setting is inherited from the job, else from the model. In an update an omitted setting keeps its value, and null removes it; null in place of the object removes all settings. */
export type RenderSettingsInput = {
  /** Id of a model of the provider, such as "local/landscape". */
  model?: InputMaybe<Scalars['String']['input']>;
  /** Ratio of width to height, such as 16:9. */
  aspectRatio?: InputMaybe<Scalars['String']['input']>;
  resolution?: InputMaybe<Resolution>;
  /** 0 to 4294967295. The same seed with the same prompt, settings and inputs gives the same clip, if the model is deterministic. */
  seed?: InputMaybe<Scalars['SafeInt']['input']>;
  negativePrompt?: InputMaybe<Scalars['String']['input']>;
  /** Whether the clip has sound, if the model supports both. */
  audio?: InputMaybe<Scalars['Boolean']['input']>;
  /** Options of the model, which must match Model.optionsSchema; inherited and replaced as a whole, like every setting. */
  options?: InputMaybe<Scalars['JSONObject']['input']>;
};

export type RenewLeaseInput = {
  /** The token of the lease, from claimTakes. */
  token: Scalars['String']['input'];
  /** The id of the render at the worker, by which another worker can continue it. */
  providerId?: InputMaybe<Scalars['String']['input']>;
  /** 0 to 100. */
  percentage?: InputMaybe<Scalars['Float']['input']>;
  /** Duration of the lease from now, 10 to 3600 seconds; unchanged when omitted. */
  leaseSeconds?: InputMaybe<Scalars['Int']['input']>;
  /** The newest frame: a WebP picture of at most 30,000 bytes, in Base64. */
  frame?: InputMaybe<Scalars['String']['input']>;
};

/** The new play order of a job. */
export type ReorderScenesInput = {
  jobId: Scalars['ID']['input'];
  /** Every live scene exactly once. */
  sceneIds: Array<Scalars['ID']['input']>;
  /** Fail with STALE_VERSION unless Job.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
};

/** The length of the shorter side in pixels. */
export type Resolution =
  | 'P360'
  | 'P480'
  | 'P720'
  | 'P1080'
  | 'P1440'
  | 'P2160';

/** One clip of a job's video. Its prompt is rendered by a provider; each attempt is a take. A scene that is not deleted is called live. */
export type Scene = Node & {
  id: Scalars['ID']['output'];
  jobId: Scalars['ID']['output'];
  /** 0-based position among the live scenes of the job, without gaps. For a deleted scene: its position among live and deleted scenes together, where restoreScene puts it back. */
  position: Scalars['Int']['output'];
  title?: Maybe<Scalars['String']['output']>;
  prompt: Scalars['String']['output'];
  /** Requested length of the clip in seconds. */
  durationSeconds: Scalars['Float']['output'];
  status: SceneStatus;
  /** Progress of the current take, 0 to 100; null when the provider reports none. */
  percentage?: Maybe<Scalars['Float']['output']>;
  provider: Scalars['String']['output'];
  /** The provider's id for the current take, such as a prediction id; null until it is submitted. */
  providerId?: Maybe<Scalars['String']['output']>;
  /** Number of takes started so far, automatic retries included. */
  attempts: Scalars['Int']['output'];
  /** Number of takes that may start before the scene fails; each regenerate adds the same number again. */
  maxAttempts: Scalars['Int']['output'];
  /** When the next automatic retry starts; null when none is scheduled. */
  nextAttemptAt?: Maybe<Scalars['DateTime']['output']>;
  metadata: Scalars['JSONObject']['output'];
  /** Increases with each change of the scene; see expectedVersion. */
  version: Scalars['Int']['output'];
  createdAt: Scalars['DateTime']['output'];
  updatedAt: Scalars['DateTime']['output'];
  startedAt?: Maybe<Scalars['DateTime']['output']>;
  finishedAt?: Maybe<Scalars['DateTime']['output']>;
  deletedAt?: Maybe<Scalars['DateTime']['output']>;
  /** When the deleted scene can no longer be restored; null unless it is deleted. */
  purgeAfter?: Maybe<Scalars['DateTime']['output']>;
  /** The job that the scene belongs to. */
  job: Job;
  /** Number of takes of the provider ahead of this scene, over all jobs; null when it is not queued. */
  queuePosition?: Maybe<Scalars['Int']['output']>;
  /** Why no worker can lease the queued take: "no worker is connected", "no worker has the model", "no worker has the labels" or "all workers that fit are unhealthy". Null when a worker can, when the scene is not queued, and for providers other than "leased". */
  waitingFor?: Maybe<Scalars['String']['output']>;
  /** The settings of the next take. Each one is the scene's own, else the job's, else the model's. */
  settings: RenderSettings;
  /** The scene's own settings, which override those of the job. */
  ownSettings: RenderSettings;
  /** The input files of the next take. */
  inputs: Array<RenderInput>;
  /** The clip of the current take; null after a regenerate. Earlier clips remain available in takes. */
  output?: Maybe<Media>;
  /** A still image of the clip. */
  poster?: Maybe<Media>;
  /** A short animated preview; while the scene is processing, the newest frame if the provider has one. */
  preview?: Maybe<Media>;
  /** Why the last take failed; also set while an automatic retry is scheduled. */
  failure?: Maybe<SceneFailure>;
  /** The take whose clip the scene shows. */
  currentTake?: Maybe<SceneTake>;
  /** All takes, newest first. */
  takes: Array<SceneTake>;
  /** What the caller may do to the scene now, so that clients need not repeat the rules. The quota of regenerates is in Viewer.regenerateQuota. */
  availableActions: Array<SceneAction>;
  /** The statuses that updateScene would accept now. */
  allowedTransitions: Array<SceneStatus>;
};


/** One clip of a job's video. Its prompt is rendered by a provider; each attempt is a take. A scene that is not deleted is called live. */
export type SceneTakesArgs = {
  first?: Scalars['Int']['input'];
};

/** An operation on a scene, named after its mutation. */
export type SceneAction =
  | 'UPDATE'
  | 'REGENERATE'
  | 'CANCEL'
  | 'DELETE'
  | 'RESTORE'
  | 'MOVE'
  | 'SELECT_TAKE';

/** The scene that a mutation acts on. */
export type SceneActionInput = {
  sceneId: Scalars['ID']['input'];
  /** When given, fail with SCENE_NOT_IN_JOB unless the scene belongs to this job. */
  jobId?: InputMaybe<Scalars['ID']['input']>;
  /** Fail with STALE_VERSION unless Scene.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
};

/** Scenes of one job, for the same operation on each. Give either sceneIds or status. */
export type SceneBatchInput = {
  jobId: Scalars['ID']['input'];
  /** These scenes: 1 to 200 different ids. */
  sceneIds?: InputMaybe<Array<Scalars['ID']['input']>>;
  /** All live scenes in any of these statuses; for restoreScenes, all deleted scenes in them. */
  status?: InputMaybe<Array<SceneStatus>>;
  policy?: BatchPolicy;
  /** Return the results without writing anything. */
  dryRun?: Scalars['Boolean']['input'];
  /** A retry with the same key and the same input within 24 hours returns the first result and changes nothing. The key is stored only when at least one operation succeeded, and never by a dry run. */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
};

/** A page of a job's scenes, in play order. */
export type SceneConnection = {
  edges: Array<SceneEdge>;
  nodes: Array<Scene>;
  pageInfo: PageInfo;
  /** Number of scenes on all pages. */
  totalCount: Scalars['Int']['output'];
};

export type SceneEdge = {
  cursor: Scalars['String']['output'];
  node: Scene;
};

/** Why a take, or the assembly of a job's video, failed. */
export type SceneFailure = {
  /** The class of the failure. MODERATED, INVALID_INPUT: the provider rejected the content or the input, and would reject it again. PROVIDER_UNAVAILABLE, TIMEOUT: the provider failed; the request may be valid. NOT_SUPPORTED: the model no longer supports the request, or no longer exists; nothing was ordered. WORKER_LOST: as many leased workers as the scene has attempts were lost while they rendered the take. Other codes are those of the provider or of an external worker. */
  code: Scalars['String']['output'];
  /** A message for people, with the provider's own message if there is one. */
  message: Scalars['String']['output'];
  /** Whether another attempt at the same request may succeed. */
  retryable: Scalars['Boolean']['output'];
  occurredAt: Scalars['DateTime']['output'];
};

/** The changed scene and its job, or the errors. */
export type ScenePayload = {
  scene?: Maybe<Scene>;
  job?: Maybe<Job>;
  errors: Array<UserError>;
};

/** Progress of a running render. Not in the event log; may be skipped; never decreases within a take. */
export type SceneProgress = {
  jobId: Scalars['ID']['output'];
  /** Never null; the type is that of JobEvent.sceneId, so a document can select it on every member. */
  sceneId?: Maybe<Scalars['ID']['output']>;
  takeNumber: Scalars['Int']['output'];
  /** 0 to 100; null when the provider reports none. */
  percentage?: Maybe<Scalars['Float']['output']>;
  /** The newest frame, if the provider has one. */
  preview?: Maybe<Media>;
  /** The scene with this percentage, so that normalized caches update its record. Never null. */
  scene?: Maybe<Scene>;
  progress: JobProgress;
};

/** The result for one scene of a batch; it succeeded when there are no errors. */
export type SceneResult = {
  sceneId: Scalars['ID']['output'];
  /** The scene after the operation; null when the operation failed. After a dry run: the scene as it would be, but with the present takes and job. */
  scene?: Maybe<Scene>;
  errors: Array<UserError>;
};

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

/** One attempt to render a scene. It never changes once it is finished: a regenerate makes a new take and keeps this one. */
export type SceneTake = Node & {
  id: Scalars['ID']['output'];
  number: Scalars['Int']['output'];
  reason: TakeReason;
  prompt: Scalars['String']['output'];
  status: SceneStatus;
  provider: Scalars['String']['output'];
  providerId?: Maybe<Scalars['String']['output']>;
  /** Whether the scene shows this take. */
  isCurrent: Scalars['Boolean']['output'];
  createdAt: Scalars['DateTime']['output'];
  startedAt?: Maybe<Scalars['DateTime']['output']>;
  finishedAt?: Maybe<Scalars['DateTime']['output']>;
  /** The clip in a format that browsers play; see original for the file as delivered. */
  output?: Maybe<Media>;
  /** A still image of the clip. */
  poster?: Maybe<Media>;
  /** A short animated preview of the clip. */
  preview?: Maybe<Media>;
  /** The file as the provider delivered it, when output is not that file: output is then a rendition that browsers can play, or null because the file cannot be played (see failure). Null otherwise. */
  original?: Maybe<Media>;
  /** Why the take failed; null unless it did. CLIP_UNREADABLE, CLIP_WITHOUT_PICTURE, CLIP_TRUNCATED, CLIP_TOO_LONG and CLIP_TOO_LARGE: the delivered clip cannot be played; it is in original. */
  failure?: Maybe<SceneFailure>;
  /** The worker that leases or leased the take; null for providers other than "leased". */
  worker?: Maybe<Worker>;
  /** The settings of the take: the requested ones and, once it is completed, those that the provider reports as used, the seed included. Empty until the take starts; never change once it is finished. */
  settings: RenderSettings;
  /** The input files of the take. Empty until the take starts; never change afterwards. */
  inputs: Array<RenderInput>;
  /** Requested settings and inputs that had no effect, such as "seed" or "inputs.0", as the provider reports. */
  ignored: Array<Scalars['String']['output']>;
  /** What the provider charges for the clip; null when it does not report it. */
  cost?: Maybe<Money>;
  /** Other measurements of the provider, such as predictSeconds; empty when it reports none. */
  metrics: Scalars['JSONObject']['output'];
};

/** The results of a batch, in the order of the input. */
export type ScenesPayload = {
  results: Array<SceneResult>;
  succeeded: Scalars['Int']['output'];
  failed: Scalars['Int']['output'];
  dryRun: Scalars['Boolean']['output'];
  job?: Maybe<Job>;
  /** Errors of the request as a whole, which prevented every operation; then there are no results. Errors of single scenes are in results. */
  errors: Array<UserError>;
};

/** A completed take for its scene to show. */
export type SelectTakeInput = {
  takeId: Scalars['ID']['input'];
  /** Fail with STALE_VERSION unless Scene.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
};

/** Version and configuration of the server. */
export type ServerInfo = {
  version: Scalars['String']['output'];
  /** "embedded" (one process) or "distributed" (several processes on Postgres). */
  mode: Scalars['String']['output'];
  /** The names that createJob accepts as provider. */
  providers: Array<Scalars['String']['output']>;
  /** How long events stay in a job's log; jobEvents after an older one starts with a snapshot. */
  eventRetentionSeconds: Scalars['Int']['output'];
  /** How long a deleted job or scene can be restored. */
  recoveryWindowSeconds: Scalars['Int']['output'];
};

/** Why a stream sends a snapshot instead of events. */
export type SnapshotReason =
  /** First message of a stream that named no version. */
  | 'INITIAL'
  /** The named version is older than the retained log. */
  | 'LOG_TRUNCATED'
  /** The client was too slow, or the server was late and the log had been pruned; this snapshot replaces the events that were not sent. */
  | 'LAGGED';

/** The report is about a take that is not the current one. STALE_TAKE. */
export type StaleTakeError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
  currentTakeNumber: Scalars['Int']['output'];
  /** The provider's id of the current take. */
  currentProviderId?: Maybe<Scalars['String']['output']>;
};

/** The state of the object does not allow the operation. INVALID_TRANSITION, NOT_REGENERABLE, JOB_PROCESSING, ALREADY_DELETED, NOT_DELETED or RECOVERY_EXPIRED. */
export type StateError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
  /** The current status. */
  from?: Maybe<SceneStatus>;
  /** The requested status. */
  to?: Maybe<SceneStatus>;
  /** The statuses that would be accepted. */
  allowed: Array<SceneStatus>;
};

export type Subscription = {
  /** All events of one job, in order, without gaps. Without after: JobSnapshot(INITIAL), then live events. With after: the missed events, then live events. With an after that the log no longer holds: JobSnapshot(LOG_TRUNCATED), then live events. A client that falls behind gets JobSnapshot(LAGGED) in place of the dropped events, and slows no other client. untilSettled: the server ends the stream once the job is COMPLETED, FAILED or CANCELED and all earlier messages were sent. */
  jobEvents: JobFeedMessage;
  /** Latest value: the current progress first, then at most one value per interval; may skip values, never the last one. */
  jobProgress: JobProgress;
  /** Latest value of one scene, the current state first. */
  sceneUpdated: Scene;
  /** Latest value of every job that the caller may see, for dashboards: first the jobs that match the filter, then each that changes. A job that was sent and no longer matches is sent once more. */
  jobsUpdated: Job;
};


export type SubscriptionJobEventsArgs = {
  jobId: Scalars['ID']['input'];
  after?: InputMaybe<Scalars['Int']['input']>;
  untilSettled?: Scalars['Boolean']['input'];
};


export type SubscriptionJobProgressArgs = {
  jobId: Scalars['ID']['input'];
  minIntervalMs?: Scalars['Int']['input'];
};


export type SubscriptionSceneUpdatedArgs = {
  sceneId: Scalars['ID']['input'];
};


export type SubscriptionJobsUpdatedArgs = {
  filter?: InputMaybe<JobFilter>;
};

/** The right of one worker to render a take. It ends when it expires without a renewal, and when the take is canceled, regenerated or deleted. */
export type TakeLease = {
  /** The secret that identifies the lease; null for callers other than its worker. */
  token?: Maybe<Scalars['String']['output']>;
  take: SceneTake;
  /** The scene of the take. Its job and the objects of that job are null unless they are visible to the caller without the lease. */
  scene: Scene;
  worker: Worker;
  prompt: Scalars['String']['output'];
  durationSeconds: Scalars['Float']['output'];
  /** The input files of the take; workers download them from files. */
  inputs: Array<RenderInput>;
  /** The files of inputs, in the same order. Returned by claimTakes: download them before their URLs expire. */
  files: Array<LeaseFile>;
  settings: RenderSettings;
  /** Where to upload the clip before finishTake; null for callers other than the worker. */
  clip?: Maybe<UploadTarget>;
  expiresAt: Scalars['DateTime']['output'];
  /** The traceparent header (W3C Trace Context) of the render, for requests that the worker makes. */
  traceparent?: Maybe<Scalars['String']['output']>;
};

/** Why a take was made. */
export type TakeReason =
  /** The first take of the scene. */
  | 'INITIAL'
  /** A regenerate was requested. */
  | 'REGENERATE'
  /** The previous take failed with a retryable failure. */
  | 'AUTOMATIC_RETRY';

/** The access token that a mutation acts on. */
export type TokenActionInput = {
  tokenId: Scalars['ID']['input'];
};

/** The access token, or the errors. */
export type TokenPayload = {
  token?: Maybe<AccessToken>;
  /** Send it as `Authorization: Bearer <secret>`; returned only by createToken. */
  secret?: Maybe<Scalars['String']['output']>;
  errors: Array<UserError>;
};

/** An omitted field keeps its value; null clears a nullable field. metadata is replaced as a whole. */
export type UpdateJobInput = {
  jobId: Scalars['ID']['input'];
  /** 1 to 200 characters. */
  title?: InputMaybe<Scalars['String']['input']>;
  /** The client's own data; at most 16 KiB of JSON. */
  metadata?: InputMaybe<Scalars['JSONObject']['input']>;
  /** Fail with STALE_VERSION unless Job.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  /** The default settings of its scenes; the models of the scenes must support them. */
  settings?: InputMaybe<RenderSettingsInput>;
};

/** An omitted field keeps its value; null clears a nullable field. metadata is replaced as a whole. */
export type UpdateSceneInput = {
  sceneId: Scalars['ID']['input'];
  /** When given, fail with SCENE_NOT_IN_JOB unless the scene belongs to this job. */
  jobId?: InputMaybe<Scalars['ID']['input']>;
  /** 1 to 200 characters. */
  title?: InputMaybe<Scalars['String']['input']>;
  /** 1 to 4,000 characters, in one or several lines. A take that has started keeps its prompt. */
  prompt?: InputMaybe<Scalars['String']['input']>;
  /** Length of the clip, 0.5 to 60 seconds. */
  durationSeconds?: InputMaybe<Scalars['Float']['input']>;
  /** The client's own data; at most 16 KiB of JSON. */
  metadata?: InputMaybe<Scalars['JSONObject']['input']>;
  /** One of Scene.allowedTransitions; the current status is accepted too and changes nothing. */
  status?: InputMaybe<SceneStatus>;
  /** The provider's id for the current take. */
  providerId?: InputMaybe<Scalars['String']['input']>;
  /** 0 to 100 with status PROCESSING, or 100 with COMPLETED. */
  percentage?: InputMaybe<Scalars['Float']['input']>;
  /** http or https address of the clip, with status PROCESSING or COMPLETED. */
  outputUrl?: InputMaybe<Scalars['String']['input']>;
  /** The clip as an asset, instead of outputUrl: a READY asset of the kind VIDEO of the job's owner, with status COMPLETED in jobs of the provider external. It is adopted (see adoptOutput), and cannot be deleted until that is done. */
  outputAssetId?: InputMaybe<Scalars['ID']['input']>;
  /** With status FAILED. */
  failure?: InputMaybe<FailureInput>;
  /** The number of the take that a report is about; fails with STALE_TAKE when it is not the current one. With or without it, so does a providerId that belongs to an earlier take or differs from that of the take being rendered. */
  takeNumber?: InputMaybe<Scalars['Int']['input']>;
  /** Adopt the clip at outputUrl, in jobs of the provider external: download, store and inspect it, and join it to the output. The scene stays PROCESSING at 99 % until that is done. When omitted, the server's setting applies. */
  adoptOutput?: InputMaybe<Scalars['Boolean']['input']>;
  /** Fail with STALE_VERSION unless Scene.version has this value. */
  expectedVersion?: InputMaybe<Scalars['Int']['input']>;
  /** Settings of the scene; an omitted setting is inherited from the job. */
  settings?: InputMaybe<RenderSettingsInput>;
  /** Input files of the scene, at most 16; they replace the previous ones. Null or [] removes all. */
  inputs?: InputMaybe<Array<RenderInputInput>>;
};

/** Scenes of one job, each with its own edits. */
export type UpdateScenesInput = {
  jobId: Scalars['ID']['input'];
  /** 1 to 200 items, each with a different scene. */
  scenes: Array<UpdateSceneInput>;
  policy?: BatchPolicy;
  /** Return the results without writing anything. */
  dryRun?: Scalars['Boolean']['input'];
};

/** An omitted field keeps its value. */
export type UpdateWebhookInput = {
  webhookId: Scalars['ID']['input'];
  url?: InputMaybe<Scalars['String']['input']>;
  events?: InputMaybe<Array<EventType>>;
  /** Events that happen while the webhook is inactive are not delivered. Deliveries that were pending when it became inactive are sent after it is active again, unless they are older than 30 days. */
  active?: InputMaybe<Scalars['Boolean']['input']>;
};

/** Where to upload a file: one request with this method and these headers or, when resumable, the tus protocol 1.0 (PATCH and HEAD) at the same URL. The URL is signed: anyone who has it can upload without a token. */
export type UploadTarget = {
  method: Scalars['String']['output'];
  url: Scalars['String']['output'];
  headers: Array<HttpHeader>;
  /** Whether an interrupted upload can continue after the bytes that have arrived. */
  resumable: Scalars['Boolean']['output'];
  maxBytes: Scalars['SafeInt']['output'];
  /** The upload must begin before this instant. completeAsset returns a new target while bytes are missing. */
  expiresAt: Scalars['DateTime']['output'];
};

/** An error that the caller can handle; it is part of the payload, not a GraphQL error. */
export type UserError = {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
};

/** The input is invalid. VALIDATION_FAILED, LIMIT_EXCEEDED, INCOMPLETE_ORDER or BATCH_ABORTED. */
export type ValidationError = UserError & {
  /** The cause; branch on this, never on the message. */
  code: ErrorCode;
  /** One sentence for end users. */
  message: Scalars['String']['output'];
  /** The rejected input, such as ["input", "sceneIds", "2"]. */
  path?: Maybe<Array<Scalars['String']['output']>>;
};

/** The authenticated principal of the request. */
export type Viewer = {
  id: Scalars['ID']['output'];
  name: Scalars['String']['output'];
  roles: Array<Scalars['String']['output']>;
  /** What the caller may do; less than everything only with an access token. */
  grants: Array<Grant>;
  /** The access tokens that the caller has made, newest first; none for an access token. */
  tokens: Array<AccessToken>;
  /** The quota of regenerates; a batch uses one per scene. */
  regenerateQuota: Quota;
};


/** The authenticated principal of the request. */
export type ViewerTokensArgs = {
  first?: Scalars['Int']['input'];
};

/** A URL to which events are delivered, signed as specified at https://www.standardwebhooks.com. */
export type Webhook = Node & {
  id: Scalars['ID']['output'];
  url: Scalars['String']['output'];
  /** The job whose events are delivered; null for all jobs of the owner. */
  jobId?: Maybe<Scalars['ID']['output']>;
  active: Scalars['Boolean']['output'];
  /** Set when the server made the webhook inactive: no delivery succeeded for a day, or the endpoint answered 410. updateWebhook with active clears it. */
  disabledReason?: Maybe<Scalars['String']['output']>;
  createdAt: Scalars['DateTime']['output'];
  /** The event types that are delivered. */
  events: Array<EventType>;
  /** The deliveries, newest first. */
  deliveries: Array<WebhookDelivery>;
};


/** A URL to which events are delivered, signed as specified at https://www.standardwebhooks.com. */
export type WebhookDeliveriesArgs = {
  first?: Scalars['Int']['input'];
  status?: InputMaybe<DeliveryStatus>;
};

/** The webhook that a mutation acts on. */
export type WebhookActionInput = {
  webhookId: Scalars['ID']['input'];
};

/** One attempt to deliver an event. */
export type WebhookAttempt = {
  at: Scalars['DateTime']['output'];
  /** HTTP status; null when there was no response. */
  responseStatus?: Maybe<Scalars['Int']['output']>;
  durationMs: Scalars['Int']['output'];
  /** Null when the endpoint answered with 2xx, else one of STATUS, REDIRECT (not followed), TIMEOUT, NOT_RESOLVED, NOT_ALLOWED (the host name resolves to a private address), NOT_CONNECTED, TLS, BROKEN_OFF (the connection closed during the response), NOT_SIGNED (the secret cannot be decrypted) and INTERNAL (an error of this server). */
  error?: Maybe<Scalars['String']['output']>;
};

/** The delivery of one event to a webhook. Its id is the header webhook-id of every attempt. Events of one job are delivered in order: each waits until the one before is SUCCEEDED or EXHAUSTED. Kept for 30 days. */
export type WebhookDelivery = Node & {
  id: Scalars['ID']['output'];
  eventType: EventType;
  jobId: Scalars['ID']['output'];
  /** Version of the event; 0 for a sample event of testWebhook. */
  version: Scalars['Int']['output'];
  status: DeliveryStatus;
  /** When the next attempt is due; null when there is none. */
  nextAttemptAt?: Maybe<Scalars['DateTime']['output']>;
  createdAt: Scalars['DateTime']['output'];
  /** The newest 50 attempts, oldest first. */
  attempts: Array<WebhookAttempt>;
};

/** The delivery, or the errors. */
export type WebhookDeliveryPayload = {
  delivery?: Maybe<WebhookDelivery>;
  errors: Array<UserError>;
};

/** The webhook, or the errors. */
export type WebhookPayload = {
  webhook?: Maybe<Webhook>;
  /** The signing secret; returned only by createWebhook and rotateWebhookSecret. */
  secret?: Maybe<Scalars['String']['output']>;
  errors: Array<UserError>;
};

/** A machine outside this server that renders takes of jobs whose provider is "leased". Identified by its principal and name. */
export type Worker = Node & {
  id: Scalars['ID']['output'];
  name: Scalars['String']['output'];
  /** Labels that takes can require: the worker must have every label in metadata.worker of the scene or of its job, with the same value. */
  labels: Scalars['JSONObject']['output'];
  /** Names of the models that the worker has. */
  models: Array<Scalars['String']['output']>;
  /** When the worker first called, or called again after it was GONE. */
  startedAt: Scalars['DateTime']['output'];
  /** When the worker last called; accurate to 5 seconds. */
  lastSeenAt: Scalars['DateTime']['output'];
  /** The current state of the worker. */
  health: WorkerHealth;
  /** Why the worker is UNHEALTHY, as it reports. */
  reason?: Maybe<Scalars['String']['output']>;
  /** The worker's leases on takes that are visible to the caller. */
  leases: Array<TakeLease>;
};

/** The state of a leased worker. */
export type WorkerHealth =
  /** The worker holds no lease. */
  | 'IDLE'
  /** The worker holds a lease. */
  | 'BUSY'
  /** The worker reports that it cannot render; it gets no takes. */
  | 'UNHEALTHY'
  /** The worker has not called for 90 seconds, and holds no lease. */
  | 'GONE';

/** The current state of the calling worker. A call with a known name is from that worker, possibly restarted. */
export type WorkerInput = {
  /** 1 to 200 characters; unique among the workers of the caller. */
  name: Scalars['String']['input'];
  /** The labels of the worker. Takes whose metadata.worker, or that of their job, has other values are not leased to it. */
  labels?: InputMaybe<Scalars['JSONObject']['input']>;
  /** The models that the worker has, by name or id. A take without a model can be leased by any worker. */
  models: Array<Scalars['String']['input']>;
  /** Why the worker cannot render now. It gets no takes while this is set. */
  unhealthyReason?: InputMaybe<Scalars['String']['input']>;
};
