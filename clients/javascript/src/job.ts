import type { Connection } from './connection.js';
import { Feed } from './feed.js';

/** The fields that the client itself reads in a job; a document may select more. */
export interface JobShape {
  version?: number;
  progress?: { version?: number; percentage?: number } | null;
  scenes?: { nodes?: readonly SceneShape[]; edges?: readonly { node: SceneShape }[] } | null;
}

interface SceneShape {
  id?: string;
}

/** A message of `jobEvents`, as its document selects it. */
export interface JobMessage<Job> {
  __typename?: string;
  version?: number;
  reason?: string;
  type?: string;
  sceneId?: string | null;
  job?: Job | null;
  scene?: (SceneShape & Record<string, unknown>) | null;
  progress?: { version?: number; percentage?: number } | null;
}

export interface JobSink<Job> {
  /** The whole current job, after each message that changed it or is an event. */
  show(job: Job, message: JobMessage<Job>): void;
  /** The stream ended: without a reason when the job was purged, else with a GraphQLFailure. */
  end?(reason?: Error): void;
}

/** The stream of one job, shared by those who follow it with the same document. */
export class JobFeed<Job> extends Feed<JobSink<Job>> {
  #job: Job | undefined;
  /** The version up to which all events were received. */
  #position = 0;
  /** The version that a resumed stream must reach to be current. */
  #target: number | undefined;

  constructor(
    connection: Connection,
    readonly query: string,
    private readonly jobId: string,
    onEnd: () => void,
  ) {
    super(connection, onEnd);
  }

  /** Asks for the last received event again: the answer to it tells that the stream is current. */
  variables(): unknown {
    return { jobId: this.jobId, after: this.#position ? this.#position - 1 : null };
  }

  restart(): void {
    this.#target = undefined;
  }

  next(data: unknown): void {
    for (const message of Object.values(data as Record<string, JobMessage<Job>>)) this.#receive(message);
  }

  isCurrent(): boolean {
    return this.#target !== undefined && this.#position >= this.#target;
  }

  #aim({ version = 0, job }: JobMessage<Job>): void {
    this.#target ??= Math.max(version, versionOf(job) ?? 0);
  }

  protected override welcome(sink: JobSink<Job>): void {
    if (this.#job === undefined) return;
    const { version } = this.#job as JobShape;
    sink.show(this.#job, { __typename: 'JobSnapshot', reason: 'INITIAL', version: version ?? this.#position, job: this.#job });
  }

  #receive(message: JobMessage<Job>): void {
    const { __typename: type, version } = message;
    if (!type || (type !== 'SceneProgress' && version === undefined)) throw new TypeError(SELECTION);
    if (type === 'JobEvent' && version! <= this.#position) return this.#aim(message);
    const job = fold(this.#job, message);
    if (job === undefined || (job === this.#job && type !== 'JobEvent')) return;
    if (version !== undefined) {
      this.#position = version;
      this.#aim(message);
    }
    this.#job = job;
    this.each((sink) => sink.show(job, message));
  }
}

const SELECTION = 'A jobEvents document must select __typename, and version on JobSnapshot and JobEvent';

/**
 * Returns the job after a message. Progress is merged only into the version that it belongs to: the job of another one
 * comes with its own event, and the two together would be a state that never was.
 */
export function fold<Job>(job: Job | undefined, message: JobMessage<Job>): Job | undefined {
  if (message.__typename === 'JobSnapshot') return message.job ?? job;
  if (message.__typename === 'JobEvent') return isOlder(message.job, job) ? job : (message.job ?? job);
  const shown = job as JobShape | undefined;
  const { scene, progress } = message;
  if (!shown || (progress?.version !== undefined && progress.version !== shown.version)) return job;
  // Within a version it only rises: this is an older reading, from a stream before or of another server.
  if ((progress?.percentage ?? 100) < (shown.progress?.percentage ?? 0)) return job;
  const merged = <Scene extends SceneShape>(each: Scene): Scene => (scene && each.id === scene.id ? { ...each, ...scene } : each);
  const { nodes, edges } = shown.scenes ?? {};
  return {
    ...shown,
    ...(progress && { progress: { ...shown.progress, ...progress } }),
    ...(shown.scenes && {
      scenes: {
        ...shown.scenes,
        ...(nodes && { nodes: nodes.map(merged) }),
        ...(edges && { edges: edges.map((edge) => ({ ...edge, node: merged(edge.node) })) }),
      },
    }),
  } as Job;
}

function isOlder(job: unknown, shown: unknown): boolean {
  return (versionOf(job) ?? 0) < (versionOf(shown) ?? 0);
}

function versionOf(job: unknown): number | undefined {
  return (job as JobShape | null | undefined)?.version;
}
