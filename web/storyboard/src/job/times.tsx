import { useEffect, useRef, useState } from 'preact/hooks'

import { inSpan, serverTime, spanBetween, useNow } from '../parts/time'
import { Countdown, Elapsed } from '../parts/times'
import type { Job, Scene } from './types'

const STALLED_AFTER_SECONDS = 30

type Props = { scene: Scene; jobStatus: Job['status']; jobStart: string | null }

/** What a scene waits for, or how long its render takes: one line, so that slow and stuck look different. */
export function SceneTimes({ scene, jobStatus, jobStart }: Props) {
  return <p class="times">{timesOf(scene, jobStatus, jobStart)}</p>
}

function timesOf(scene: Scene, jobStatus: Job['status'], jobStart: string | null) {
  switch (scene.status) {
    case 'PENDING':
      return jobStatus === 'PENDING' ? 'Not started' : <Waiting {...{ scene, jobStart }} />
    case 'PROCESSING':
      return <Rendering {...{ scene, jobStart }} />
    case 'COMPLETED':
      return scene.startedAt && scene.finishedAt && `Took ${spanBetween(scene.startedAt, scene.finishedAt)}`
    case 'FAILED':
      return scene.attempts === 1 ? 'After 1 attempt' : `After ${scene.attempts} attempts`
    case 'CANCELED':
      return 'Stopped on request'
  }
}

function Waiting({ scene, jobStart }: Pick<Props, 'scene' | 'jobStart'>) {
  const { nextAttemptAt, attempts, maxAttempts, queuePosition, waitingFor, currentTake } = scene
  if (nextAttemptAt) {
    return (
      <>
        Attempt {attempts + 1} of {maxAttempts} in <Countdown to={nextAttemptAt} />
      </>
    )
  }
  return (
    <>
      {waitingFor ? <b>{capitalized(waitingFor)}</b> : placeOf(queuePosition)}
      {currentTake && (
        <>
          {' · waiting '}
          <Elapsed since={waitsSince(currentTake, jobStart)} />
        </>
      )}
    </>
  )
}

/** Returns since when a take waits: the first one of a draft exists before its job is started. */
function waitsSince({ createdAt }: { createdAt: string }, jobStart: string | null): string {
  return jobStart && Date.parse(jobStart) > Date.parse(createdAt) ? jobStart : createdAt
}

function placeOf(queuePosition: number | null): string {
  if (queuePosition === null) return 'Queued'
  return queuePosition === 0 ? 'Next in the queue' : `${queuePosition} ahead`
}

function Rendering({ scene: { startedAt, currentTake, percentage }, jobStart }: Pick<Props, 'scene' | 'jobStart'>) {
  const since = currentTake?.startedAt ?? startedAt
  const waited = currentTake?.startedAt && spanBetween(waitsSince(currentTake, jobStart), currentTake.startedAt)
  return (
    <>
      {since && (
        <>
          Rendering for <Elapsed since={since} />
        </>
      )}
      {waited && waited !== 'under 1 s' && ` · waited ${waited}`}
      <Stall percentage={percentage} />
    </>
  )
}

/** Says that a render makes no progress, once that takes long. */
function Stall({ percentage }: { percentage: number | null }) {
  const now = useNow()
  const [since, setSince] = useState(serverTime)
  const isFirst = useRef(true)
  useEffect(() => {
    if (!isFirst.current) setSince(serverTime())
    isFirst.current = false
  }, [percentage])
  const seconds = (now.value - since) / 1_000
  if (percentage === null || seconds < STALLED_AFTER_SECONDS) return null
  return <b> · no progress for {inSpan(seconds)}</b>
}

function capitalized(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`
}
