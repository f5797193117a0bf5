import { useCallback, useEffect, useState } from 'react'

import { useAccess } from './access'
import { client, explain } from './api'
import query from './operations/clips-pane.graphql?raw'

export type Media = { url: string; durationSeconds?: number | null } | null
export type Progress = { percentage: number; currentStage: string; stageLabel: string }
export type Scene = {
  id: string
  title: string | null
  prompt: string
  status: string
  percentage: number | null
  output: Media
  poster: Media
  preview: Media
  failure: { message: string } | null
}
export type Job = {
  title: string
  status: string
  progress: Progress
  output: Media
  outputFailure: { message: string } | null
  scenes: { nodes: Scene[] }
}
type Message =
  | { __typename: 'JobSnapshot'; start: Job }
  | { __typename: 'JobEvent'; version: number; type: string; scene: { position: number } | null; job: Job | null }
  | { __typename: 'SceneProgress'; sceneId: string; percentage: number | null; preview: Media; progress: Progress }
type View = { job: Job | null; steps: string[]; problem?: string }

const NOTHING: View = { job: null, steps: [] }
const STEPS_SHOWN = 100

function advance(view: View, message: Message): View {
  switch (message.__typename) {
    case 'JobSnapshot':
      return { job: message.start, steps: [] }
    case 'JobEvent': {
      const { version, type, scene, job } = message
      const step = `${version} ${type}${scene ? ` · scene ${scene.position + 1}` : ''}`
      return { job, steps: [step, ...view.steps].slice(0, STEPS_SHOWN) }
    }
    case 'SceneProgress':
      return { ...view, job: view.job && rendered(view.job, message) }
  }
}

function rendered(job: Job, { sceneId, percentage, preview, progress }: Message & { __typename: 'SceneProgress' }): Job {
  const nodes = job.scenes.nodes.map((scene) =>
    scene.id === sceneId ? { ...scene, percentage, preview: preview ?? scene.preview } : scene,
  )
  return { ...job, progress, scenes: { nodes } }
}

/** A job, live. `renew` reads it again, for addresses of media that lead nowhere any more. */
export function useJob(jobId: string): View & { renew: () => void } {
  const { authorization } = useAccess()
  const [view, setView] = useState(NOTHING)
  const [round, setRound] = useState(0)
  useEffect(
    () =>
      client.subscribe<{ jobEvents: Message }>(
        { query, variables: { jobId } },
        {
          next: ({ data, errors }) => {
            if (data) setView((before) => advance(before, data.jobEvents))
            else setView({ ...NOTHING, problem: errors?.[0]?.message })
          },
          // A closed socket says nothing of the job: what was seen of it stays.
          error: (problem) =>
            setView((before) => ({ ...(problem instanceof CloseEvent ? before : NOTHING), problem: explain(problem) })),
          complete: () => undefined,
        },
      ),
    [jobId, authorization, round],
  )
  const renew = useCallback(() => setRound((before) => before + 1), [])
  return { ...view, renew }
}
