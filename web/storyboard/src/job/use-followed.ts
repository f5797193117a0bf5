import { useCallback, useEffect, useRef, useState } from 'preact/hooks'

import { client } from '../client'
import { JobPageDocument } from '../operations'
import { refused } from '../session'
import { FollowedJob } from './followed'
import type { Job } from './types'

const RENEW_EVERY_MS = 5_000

export type Followed = {
  followed: FollowedJob
  job?: Job
  /** Set once the stream has ended for good: null when the job is purged. */
  end?: Error | null
  renew: () => void
}

/** Follows a job while the component is shown. */
export function useFollowed(jobId: string): Followed {
  const [followed] = useState(() => new FollowedJob())
  const [job, setJob] = useState<Job>()
  const [end, setEnd] = useState<Error | null>()
  const [round, renew] = useRenewals()
  useEffect(() => followed.subscribe(() => setJob(followed.shown)), [followed])
  useEffect(() => {
    const onEnd = (reason?: Error) => {
      setEnd(reason ?? null)
      if (reason) refused(reason)
    }
    return client.followJob<Job>(jobId, { show: (next) => followed.receive(next), end: onEnd }, JobPageDocument)
  }, [jobId, followed, round])
  return { followed, job, end, renew }
}

/** Returns a number and what increases it, at most once in five seconds. */
function useRenewals(): [number, () => void] {
  const [round, setRound] = useState(0)
  const last = useRef(-Infinity)
  const renew = useCallback(() => {
    if (performance.now() - last.current < RENEW_EVERY_MS) return
    last.current = performance.now()
    setRound((before) => before + 1)
  }, [])
  return [round, renew]
}
