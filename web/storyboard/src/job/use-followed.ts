import { useJob } from '@scenewire/react'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'

import { request } from '../client'
import { JobAddressesDocument, JobPageDocument, ReachableDocument } from '../operations'
import { refused } from '../session'
import { FollowedJob } from './followed'
import type { Job } from './types'

const RENEW_EVERY_MS = 5_000
const WATCH_EVERY_MS = 5_000

export type Followed = {
  followed: FollowedJob
  job?: Job
  /** Set once the stream has ended for good: null when the job is purged. */
  end?: Error | null
  /** Requests new addresses of files, because one does not load; at most once in five seconds. */
  renew: () => void
  /** How often new addresses were requested. */
  renewals: number
}

/** Follows a job while the component is shown. */
export function useFollowed(jobId: string): Followed {
  const [followed] = useState(() => new FollowedJob())
  const [job, setJob] = useState<Job>()
  const [renewals, renew] = useRenewal(jobId, followed)
  useEffect(() => followed.subscribe(() => setJob(followed.shown)), [followed])
  const { job: received, state, error } = useJob<Job>(jobId, JobPageDocument)
  useEffect(() => received && followed.receive(received), [received, followed])
  useEffect(() => {
    if (error) refused(error)
  }, [error])
  useWatch()
  return { followed, job, end: state === 'closed' ? (error ?? null) : undefined, renew, renewals }
}

/** Notices that the database is away, which an open stream does not tell: it waits. `request` records the failure. */
function useWatch(): void {
  useEffect(() => {
    const watch = () => document.hidden || request(ReachableDocument).catch(() => undefined)
    const timer = setInterval(watch, WATCH_EVERY_MS)
    return () => clearInterval(timer)
  }, [])
}

function useRenewal(jobId: string, followed: FollowedJob): [number, () => void] {
  const last = useRef(-Infinity)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const [renewals, setRenewals] = useState(0)
  useEffect(() => () => clearTimeout(timer.current), [])

  const renewNow = useCallback(() => {
    timer.current = undefined
    last.current = performance.now()
    setRenewals((before) => before + 1)
    request(JobAddressesDocument, { jobId }).then(
      ({ job }) => job && followed.readdress(job),
      () => undefined, // the picture stays empty; the next message has addresses as well
    )
  }, [jobId, followed])

  const renew = useCallback(() => {
    timer.current ??= setTimeout(renewNow, Math.max(0, last.current + RENEW_EVERY_MS - performance.now()))
  }, [renewNow])
  return [renewals, renew]
}
