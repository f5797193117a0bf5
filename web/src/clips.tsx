import type { GraphiQLPlugin } from '@graphiql/react'
import { useEffect, useState } from 'react'

import { client } from './api'
import { remember, useMemory } from './memory'
import query from './operations/clips-pane.graphql?raw'

type Media = { url: string } | null
type Progress = { percentage: number; stageLabel: string }
type Scene = {
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
type Job = { title: string; status: string; progress: Progress; scenes: { nodes: Scene[] } }
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

function useJob(jobId?: string): View {
  const [view, setView] = useState(NOTHING)
  useEffect(() => {
    setView(NOTHING)
    if (!jobId) return
    return client.subscribe<{ jobEvents: Message }>(
      { query, variables: { jobId } },
      {
        next: ({ data, errors }) => {
          if (data) setView((before) => advance(before, data.jobEvents))
          else setView({ ...NOTHING, problem: errors?.[0]?.message })
        },
        error: (problem) => setView({ ...NOTHING, problem: explain(problem) }),
        complete: () => undefined,
      },
    )
  }, [jobId])
  return view
}

function explain(problem: unknown): string {
  if (problem instanceof CloseEvent) return `The stream was closed: ${problem.reason || problem.code}`
  const [first] = Array.isArray(problem) ? problem : [problem]
  return first instanceof Error || first?.message ? first.message : 'The stream failed.'
}

function Clips() {
  const { jobId, sceneId } = useMemory()
  const { job, steps, problem } = useJob(jobId)
  if (problem) return <p className="scenewire-hint">{problem}</p>
  if (!jobId) return <p className="scenewire-hint">The clips of the job you create appear here, live.</p>
  if (!job) return <p className="scenewire-hint">Waiting for {jobId} …</p>
  return (
    <section className="scenewire-clips">
      <h2>{job.title}</h2>
      <Bar percentage={job.progress.percentage} />
      <p>{job.progress.stageLabel}</p>
      {job.scenes.nodes.map((scene) => (
        <Card key={scene.id} scene={scene} chosen={scene.id === sceneId} />
      ))}
      <ol aria-label="Steps, newest first" className="scenewire-steps">
        {steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
    </section>
  )
}

function Card({ scene, chosen }: { scene: Scene; chosen: boolean }) {
  const title = scene.title ?? scene.prompt
  return (
    <article className={chosen ? 'chosen' : ''}>
      <Picture scene={scene} title={title} />
      <button type="button" aria-pressed={chosen} title="Use for an empty sceneId" onClick={() => remember({ sceneId: scene.id })}>
        <b>{title}</b>
        <span className={scene.status}>{scene.status}</span>
      </button>
      {scene.failure && <p>{scene.failure.message}</p>}
    </article>
  )
}

function Picture({ scene, title }: { scene: Scene; title: string }) {
  const still = scene.preview ?? scene.poster
  if (scene.output) return <video src={scene.output.url} poster={scene.poster?.url} aria-label={title} autoPlay controls muted playsInline />
  return (
    <div className="scenewire-picture">
      {still && <img src={still.url} alt="" />}
      {scene.status === 'PROCESSING' && <Bar percentage={scene.percentage} />}
    </div>
  )
}

function Bar({ percentage }: { percentage: number | null }) {
  return <progress max={100} value={percentage ?? undefined} />
}

const Icon = () => (
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5">
    <rect x="2" y="5" width="20" height="14" rx="3" />
    <path d="M10 9v6l5-3z" fill="currentColor" />
  </svg>
)

export const CLIPS: GraphiQLPlugin = { title: 'Clips', icon: Icon, content: Clips }
