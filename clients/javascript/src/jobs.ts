import type { Connection } from './connection.js';
import { Feed } from './feed.js';
import { JOB_IDS, type JobIdsQuery } from './operations.js';
import type { JobFilter } from './schema.js';

/** The fields that the client itself reads in a job of a list. */
export interface ListedJob {
  id: string;
  version?: number;
  title?: string;
  status?: string;
  ownerId?: string;
  createdAt?: string;
  deletedAt?: string | null;
}

export interface JobsSink<Job> {
  /** The whole current list, the newest job first; an empty one when no job matches. */
  show(jobs: Job[]): void;
  /** The stream ended, with a GraphQLFailure. */
  end?(reason?: Error): void;
}

const ASK_AGAIN_MS = 1_000;

/**
 * The list of jobs that match a filter, shared by those who follow it with the same document.
 *
 * `jobsUpdated` does not say when it has sent all jobs, nor why it sends one: a job that no longer matches comes once
 * more. So the client also reads the ids that match, and shows a list when it has all of these.
 */
export class JobsFeed<Job extends ListedJob> extends Feed<JobsSink<Job>> {
  #shown: Job[] | undefined;
  /** What this subscription has sent; undefined for a job that left. */
  #sent = new Map<string, Job | undefined>();
  /** Jobs with a new title under a text search: only the server knows whether they still match. */
  #doubtful = new Map<string, Job>();
  /** Ids that match and were not sent yet; undefined until they are known. */
  #missing: Set<string> | undefined;
  #complete = false;
  #stopAsking: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    connection: Connection,
    readonly query: string,
    private readonly filter: JobFilter | undefined,
    onEnd: () => void,
  ) {
    super(connection, onEnd);
  }

  variables(): unknown {
    return { filter: this.filter ?? null };
  }

  restart(): void {
    this.#sent = new Map();
    this.#doubtful = new Map();
    this.#missing = undefined;
    this.#complete = false;
    this.#ask();
  }

  next(data: unknown): void {
    for (const job of Object.values(data as Record<string, Job>)) this.#receive(job);
  }

  isCurrent(): boolean {
    return this.#complete;
  }

  override stop(): void {
    this.#cancelAsking();
    super.stop();
  }

  protected override welcome(sink: JobsSink<Job>): void {
    if (this.#shown) sink.show(this.#shown);
  }

  #receive(job: Job): void {
    if (this.#isDoubtful(job)) {
      this.#doubtful.set(job.id, job);
      if (!this.#stopAsking) this.#ask();
      return;
    }
    this.#doubtful.delete(job.id);
    this.#sent.set(job.id, this.#matches(job) ? job : undefined);
    this.#missing?.delete(job.id);
    this.#show();
  }

  /** Whether only the server knows if a job that was sent before still matches: its title is another one. */
  #isDoubtful(job: Job): boolean {
    if (!this.filter?.search || !this.#sent.has(job.id) || !this.#matches(job)) return false;
    return job.title === undefined || job.title !== this.#sent.get(job.id)?.title;
  }

  /** Whether a job matches, apart from the text search. Nothing leaves by `updatedSince`: changes are newer. */
  #matches({ deletedAt, status, ownerId }: Job): boolean {
    const { status: statuses, ownerId: owner } = this.filter ?? {};
    if (deletedAt) return false;
    if (statuses && status !== undefined && !(statuses as readonly string[]).includes(status)) return false;
    return !owner || ownerId === undefined || ownerId === owner;
  }

  #cancelAsking(): void {
    clearTimeout(this.#timer);
    this.#stopAsking?.();
    this.#stopAsking = undefined;
  }

  /** Reads the ids that match now. */
  #ask(): void {
    this.#cancelAsking();
    const ids = new Set<string>();
    const doubtful = new Map(this.#doubtful);
    let after: string | null = null;
    const source = {
      query: JOB_IDS,
      variables: () => ({ filter: this.filter ?? null, after }),
      next: (data: unknown) => {
        const { nodes, pageInfo } = (data as JobIdsQuery).jobs;
        for (const { id } of nodes) ids.add(id);
        after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
      },
      isCurrent: () => false,
      end: (reason?: Error) => {
        this.#stopAsking = undefined;
        if (reason) return this.end(reason);
        if (after) this.#stopAsking = this.connection.follow(source);
        else this.#onIds(ids, doubtful);
      },
    };
    this.#stopAsking = this.connection.follow(source);
  }

  #onIds(ids: Set<string>, doubtful: Map<string, Job>): void {
    for (const [id, job] of doubtful) {
      if (this.#doubtful.get(id) !== job) continue;
      this.#doubtful.delete(id);
      this.#sent.set(id, ids.has(id) ? job : undefined);
    }
    this.#missing = new Set([...ids].filter((id) => !this.#sent.has(id)));
    this.#show();
    this.connection.changed();
    // A job that left before it was sent is never sent; a new doubt needs a new answer.
    if (this.#doubtful.size) this.#ask();
    else if (!this.#complete) this.#timer = setTimeout(() => this.#ask(), ASK_AGAIN_MS);
  }

  #show(): void {
    this.#complete ||= this.#missing?.size === 0;
    if (!this.#complete) return;
    const jobs = [...this.#sent.values()].filter((job) => job !== undefined).sort(newestFirst);
    this.#shown = jobs;
    this.each((sink) => sink.show(jobs));
  }
}

/** The order in which the server lists jobs. Its instants differ in the number of their decimals only. */
function newestFirst(a: ListedJob, b: ListedJob): number {
  const [left, right] = [a, b].map(({ createdAt = '', id }) => `${createdAt.replace('Z', '')} ${id}`);
  return left! < right! ? 1 : -1;
}
