/** The list of jobs: loaded page by page, and live in what is loaded. */
import { batch, computed, signal } from '@preact/signals'

import { client, request } from '../client'
import { inWords, isPassing } from '../failures'
import { JobsDocument, JobsUpdatedDocument, type JobFilter, type JobRowFragment } from '../operations'
import { refused } from '../session'

export type Row = JobRowFragment

const FIRST_PAGE = 50
const FURTHER_PAGES = 100
/** A new stream sends all that is loaded: while pages are scrolled through, one begins at the end only. */
const SETTLED_MS = 500
const RETRY_MS = [500, 1_000, 2_000, 4_000]

/**
 * The jobs that match a filter, the newest first.
 *
 * Pages are read by query. The stream covers what is loaded, and no more: `updatedSince` is the oldest change of a loaded
 * job, and jobs that are older than the last loaded one are left out until their page is read.
 */
export class JobList {
  /** Null until the first page is read. */
  readonly rows = signal<Row[] | null>(null)
  readonly hasMore = signal(false)
  readonly isLoading = signal(false)
  /** Why the list cannot be shown. */
  readonly failure = signal<string | null>(null)
  /** How many jobs match that are not loaded; an estimate while jobs come and go. */
  readonly left = computed(() => Math.max(0, this.total.value - (this.rows.value?.length ?? 0)))

  /** Resolves when there is something to show: the first page, or the failure. */
  readonly ready: Promise<void>

  private markReady = () => {}
  private readonly total = signal(0)
  private readonly stopped = new AbortController()
  private cursor: string | null = null
  private last: Row | null = null
  private since: string | null = null
  private stopFollowing: (() => void) | null = null
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly filter: JobFilter) {
    this.ready = new Promise((done) => (this.markReady = done))
    void this.load()
  }

  /** Reads the next page; again and again while the server is away. */
  async load(attempt = 0): Promise<void> {
    if (this.isLoading.value && attempt === 0) return
    this.isLoading.value = true
    const first = this.rows.value === null ? FIRST_PAGE : FURTHER_PAGES
    try {
      const { jobs } = await request(JobsDocument, { filter: this.filter, first, after: this.cursor }, this.init)
      this.add(jobs)
      this.isLoading.value = false
    } catch (reason) {
      if (this.stopped.signal.aborted) return
      if (!isPassing(reason)) {
        this.failure.value = inWords(reason)
        this.isLoading.value = false
        this.markReady()
        return
      }
      const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]
      const timer = setTimeout(() => void this.load(attempt + 1), wait)
      this.stopped.signal.addEventListener('abort', () => clearTimeout(timer))
    }
  }

  /** Shows a job that this page has made, before the stream does. */
  accept(row: Row): void {
    const rows = this.rows.value
    if (rows && !rows.some(({ id }) => id === row.id)) this.rows.value = [row, ...rows]
  }

  stop(): void {
    clearTimeout(this.timer)
    this.stopped.abort()
    this.stopFollowing?.()
  }

  private get init() {
    return { signal: this.stopped.signal }
  }

  private add({ nodes, totalCount, pageInfo }: { nodes: Row[]; totalCount: number; pageInfo: PageInfo }): void {
    const known = new Set(this.rows.value?.map(({ id }) => id))
    batch(() => {
      this.rows.value = [...(this.rows.value ?? []), ...nodes.filter(({ id }) => !known.has(id))]
      this.total.value = totalCount
      this.hasMore.value = pageInfo.hasNextPage
    })
    this.markReady()
    this.cursor = pageInfo.endCursor
    this.last = nodes.at(-1) ?? this.last
    this.since = nodes.map(({ updatedAt }) => updatedAt).reduce(earlier, this.since ?? nodes[0]?.updatedAt ?? '')
    clearTimeout(this.timer)
    if (!this.stopFollowing) this.follow()
    else this.timer = setTimeout(() => this.follow(), SETTLED_MS)
  }

  /** Streams what is loaded now. Rows of pages that are read later stay as they are until the next stream. */
  private follow(): void {
    const filter = this.since ? { ...this.filter, updatedSince: this.since } : this.filter
    const last = this.hasMore.value ? this.last : null
    const isCovered = (job: Row) => last === null || !isOlder(job, last)
    const stopBefore = this.stopFollowing
    const sink = {
      show: (jobs: Row[]) => {
        stopBefore?.() // until now the stream before showed the jobs that it covers
        const further = this.rows.value?.filter((job) => !isCovered(job)) ?? []
        this.rows.value = [...jobs.filter(isCovered), ...further]
      },
      end: (reason?: Error) => {
        if (reason) refused(reason)
        this.failure.value = reason ? inWords(reason) : null
      },
    }
    const stop = client.followJobs<Row>(filter, sink, JobsUpdatedDocument)
    this.stopFollowing = () => {
      stopBefore?.()
      stop()
    }
  }
}

type PageInfo = { hasNextPage: boolean; endCursor: string | null }

/** Whether a job is behind another in the list. */
function isOlder(job: Row, other: Row): boolean {
  if (job.createdAt === other.createdAt) return job.id < other.id
  return earlier(job.createdAt, other.createdAt) === job.createdAt
}

/** Returns the earlier of two instants of the server, which differ in the number of their decimals. */
function earlier(a: string, b: string): string {
  return a.replace('Z', '') <= b.replace('Z', '') ? a : b
}
