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
  | { __typename: 'JobSnapshot'; job: Job }
  | { __typename: 'JobEvent'; version: number; type: string; scene: { position: number } | null; job: Job | null }
  | { __typename: 'SceneProgress'; scene: Pick<Scene, 'id' | 'percentage' | 'preview'>; progress: Progress }
type View = { job: Job | null; steps: string[]; error?: string }

const EMPTY: View = { job: null, steps: [] }
const MAX_STEPS = 100

function advance(view: View, message: Message): View {
  switch (message.__typename) {
    case 'JobSnapshot':
      return { job: message.job, steps: [] }
    case 'JobEvent': {
      const { version, type, scene, job } = message
      const step = `${version} ${type}${scene ? ` · scene ${scene.position + 1}` : ''}`
      return { job, steps: [step, ...view.steps].slice(0, MAX_STEPS) }
    }
    case 'SceneProgress':
      return { ...view, job: view.job && withProgress(view.job, message) }
  }
}

function withProgress(job: Job, { scene, progress }: Message & { __typename: 'SceneProgress' }): Job {
  const nodes = job.scenes.nodes.map((each) => (each.id === scene.id ? { ...each, ...scene } : each))
  return { ...job, progress, scenes: { nodes } }
}

/** Subscribes to a job. `renew` subscribes again, to replace expired media URLs. */
export function useJob(jobId: string): View & { renew: () => void } {
  const { authorization } = useAccess()
  const [view, setView] = useState(EMPTY)
  const [round, setRound] = useState(0)
  useEffect(
    () =>
      client.subscribe<{ jobEvents: Message }>(
        { query, variables: { jobId } },
        {
          next: ({ data, errors }) => {
            if (data) setView((before) => advance(before, data.jobEvents))
            else setView({ ...EMPTY, error: errors?.[0]?.message })
          },
          // A closed socket is no error of the job: keep showing its last state.
          error: (reason) =>
            setView((before) => ({ ...(reason instanceof CloseEvent ? before : EMPTY), error: explain(reason) })),
          complete: () => undefined,
        },
      ),
    [jobId, authorization, round],
  )
  const renew = useCallback(() => setRound((before) => before + 1), [])
  return { ...view, renew }
}
