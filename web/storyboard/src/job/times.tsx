import { useEffect, useRef, useState } from 'preact/hooks'

import { inSpan, serverTime, useNow } from '../parts/time'
import { Countdown, Elapsed } from '../parts/times'
import type { Job, Scene } from './types'

const STALLED_AFTER_SECONDS = 30

/** What a scene waits for, or how long its render takes: one line, so that slow and stuck look different. */
export function SceneTimes({ scene, jobStatus }: { scene: Scene; jobStatus: Job['status'] }) {
  return <p class="times">{timesOf(scene, jobStatus)}</p>
}

function timesOf(scene: Scene, jobStatus: Job['status']) {
  switch (scene.status) {
    case 'PENDING':
      return jobStatus === 'PENDING' ? 'Not started' : <Waiting scene={scene} />
    case 'PROCESSING':
      return <Rendering scene={scene} />
    case 'COMPLETED':
      return scene.startedAt && scene.finishedAt && `Took ${spanOf(scene.startedAt, scene.finishedAt)}`
    case 'FAILED':
      return scene.attempts === 1 ? 'After 1 attempt' : `After ${scene.attempts} attempts`
    case 'CANCELED':
      return 'Stopped on request'
  }
}

function Waiting({ scene: { nextAttemptAt, attempts, maxAttempts, queuePosition, waitingFor, currentTake } }: { scene: Scene }) {
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
          <Elapsed since={currentTake.createdAt} />
        </>
      )}
    </>
  )
}

function placeOf(queuePosition: number | null): string {
  if (queuePosition === null) return 'Queued'
  return queuePosition === 0 ? 'Next in the queue' : `${queuePosition} ahead`
}

function Rendering({ scene }: { scene: Scene }) {
  const since = scene.currentTake?.startedAt ?? scene.startedAt
  const waited = scene.currentTake?.startedAt && spanOf(scene.currentTake.createdAt, scene.currentTake.startedAt)
  return (
    <>
      {since && (
        <>
          Rendering for <Elapsed since={since} />
        </>
      )}
      {waited && waited !== 'under 1 s' && ` · waited ${waited}`}
      <Stall percentage={scene.percentage} />
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

function spanOf(from: string, to: string): string {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1_000
  return seconds < 1 ? 'under 1 s' : inSpan(seconds)
}

function capitalized(text: string): string {
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`
}
