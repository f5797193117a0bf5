import { share, withAddresses } from './share'
import type { Job } from './types'

/** What a mutation resolved to: the version of the job that has the change, or why it was refused. */
export type Outcome = { version?: number; refusal?: string }
type Change = { apply: (job: Job) => Job; settledAt?: number }

/**
 * The job that is shown: the newest one of the server, with the changes of this page that it does not have yet.
 *
 * A change is dropped when it is refused, and when the stream reaches the version that contains it.
 */
export class FollowedJob {
  private newest?: Job
  private changes: Change[] = []
  private readonly listeners = new Set<() => void>()
  shown?: Job

  /** Takes the job of a message. */
  receive(job: Job): void {
    this.newest = share(this.newest, job)
    this.changes = this.changes.filter(({ settledAt }) => settledAt === undefined || settledAt > job.version)
    this.update()
  }

  /** Takes the addresses of files from another reading of the job, and nothing else. */
  readdress(job: Job): void {
    if (this.newest) this.newest = withAddresses(this.newest, job)
    this.update()
  }

  /** Shows a change at once, and takes it back if `send` rejects or is refused. */
  async change(apply: (job: Job) => Job, send: () => Promise<Outcome>): Promise<Outcome> {
    const change: Change = { apply }
    this.changes = [...this.changes, change]
    this.update()
    try {
      const outcome = await send()
      if (outcome.refusal === undefined) change.settledAt = outcome.version ?? 0
      else this.drop(change)
      this.dropSettled()
      return outcome
    } catch (error) {
      this.drop(change)
      throw error
    }
  }

  /** Calls back after each change of `shown`; returns the function that stops it. */
  subscribe(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private drop(change: Change): void {
    this.changes = this.changes.filter((each) => each !== change)
    this.update()
  }

  private dropSettled(): void {
    const version = this.newest?.version ?? 0
    this.changes = this.changes.filter(({ settledAt }) => settledAt === undefined || settledAt > version)
    this.update()
  }

  private update(): void {
    const before = this.shown
    if (this.newest) this.shown = this.changes.reduce((job, { apply }) => apply(job), this.newest)
    if (this.shown !== before) for (const listener of this.listeners) listener()
  }
}
