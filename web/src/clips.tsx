import type { GraphiQLPlugin } from '@graphiql/react'

import { TOKEN_HINT, useAccess } from './access'
import { useJob, type Job, type Scene } from './job-stream'
import { remember, useMemory } from './memory'
import { useStableUrl, Video } from './video'

function Clips() {
  const { jobId } = useMemory()
  const { authError } = useAccess()
  return (
    <section className="scenewire-clips" aria-label="Clips">
      {authError && (
        <p role="alert">
          <b>{authError}</b> {TOKEN_HINT}
        </p>
      )}
      {jobId && <Live key={jobId} jobId={jobId} showError={authError === undefined} />}
      {!jobId && !authError && <p className="scenewire-hint">The clips of the job you create appear here, live.</p>}
    </section>
  )
}

function Live({ jobId, showError }: { jobId: string; showError: boolean }) {
  const { job, steps, error, renew } = useJob(jobId)
  return (
    <>
      {error && showError && <p role="alert">{error}</p>}
      {job && <JobView job={job} renew={renew} />}
      {!job && !error && showError && <p>Loading {jobId} …</p>}
      <ol aria-label="Steps, newest first" className="scenewire-steps">
        {steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
    </>
  )
}

function JobView({ job, renew }: { job: Job; renew: () => void }) {
  const { sceneId } = useMemory()
  const { percentage, currentStage, stageLabel } = job.progress
  return (
    <>
      <h2>{job.title}</h2>
      <Bar percentage={currentStage === 'ASSEMBLING' ? null : percentage} />
      <p>{stageLabel}</p>
      <JoinedVideo job={job} renew={renew} />
      {job.scenes.nodes.map((scene) => (
        <Card key={scene.id} scene={scene} chosen={scene.id === sceneId} renew={renew} />
      ))}
    </>
  )
}

function JoinedVideo({ job: { title, output, outputFailure, scenes }, renew }: { job: Job; renew: () => void }) {
  if (outputFailure) return <p className="scenewire-failure">The clips were not joined. {outputFailure.message}</p>
  if (!output) return null
  const poster = scenes.nodes[0]?.poster?.url
  return (
    <figure>
      <Video src={output.url} poster={poster} onStale={renew} aria-label={title} preload="metadata" />
      <figcaption>
        <b>Joined video</b>
        {output.durationSeconds && <span>{formatDuration(output.durationSeconds)}</span>}
      </figcaption>
    </figure>
  )
}

function formatDuration(seconds: number): string {
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

function Card({ scene, chosen, renew }: { scene: Scene; chosen: boolean; renew: () => void }) {
  const title = scene.title ?? scene.prompt
  return (
    <article className={chosen ? 'chosen' : ''}>
      <Clip scene={scene} title={title} renew={renew} />
      <button type="button" aria-pressed={chosen} title="Use for an empty sceneId" onClick={() => remember({ sceneId: scene.id })}>
        <b>{title}</b>
        <span className={scene.status}>{scene.status}</span>
      </button>
      {scene.failure && <p className="scenewire-failure">{scene.failure.message}</p>}
    </article>
  )
}

function Clip({ scene, title, renew }: { scene: Scene; title: string; renew: () => void }) {
  const still = useStableUrl((scene.preview ?? scene.poster)?.url)
  if (scene.output)
    return <Video src={scene.output.url} poster={scene.poster?.url} onStale={renew} aria-label={title} autoPlay muted />
  return (
    <div className="scenewire-picture">
      {still && <img src={still} alt="" />}
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
