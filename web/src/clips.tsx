import type { GraphiQLPlugin } from '@graphiql/react'

import { TOKEN_HINT, useAccess } from './access'
import { storyboardOf } from './address'
import { useJob, type Job, type Scene } from './job-stream'
import { remember, useMemory } from './memory'
import { Status } from './status'
import { useStableUrl, Video } from './video'

const MOVES = !matchMedia('(prefers-reduced-motion: reduce)').matches

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
      {job && <JobHeader job={job} jobId={jobId} />}
      {!job && !error && showError && <p>Loading {jobId} …</p>}
      {job && <Cards job={job} renew={renew} />}
      {job && <Log steps={steps} />}
    </>
  )
}

function JobHeader({ job, jobId }: { job: Job; jobId: string }) {
  const { percentage, currentStage, stageLabel } = job.progress
  const storyboard = storyboardOf(jobId)
  return (
    <header>
      <h2 dir="auto">{job.title}</h2>
      {storyboard && <a href={storyboard}>Open in the storyboard</a>}
      <Bar label="Job" percentage={currentStage === 'ASSEMBLING' ? null : percentage} />
      <p>{stageLabel}</p>
    </header>
  )
}

function Cards({ job, renew }: { job: Job; renew: () => void }) {
  const { sceneId } = useMemory()
  return (
    <div className="scenewire-cards">
      <JoinedVideo job={job} renew={renew} />
      {job.scenes.nodes.map((scene) => (
        <Card key={scene.id} scene={scene} chosen={scene.id === sceneId} renew={renew} />
      ))}
    </div>
  )
}

function Log({ steps }: { steps: string[] }) {
  return (
    <section className="scenewire-log" aria-label="Events">
      <h3>Events</h3>
      <ol aria-label="Steps, newest first" className="scenewire-steps" tabIndex={0}>
        {steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      {steps.length === 0 && <p>None since this page was opened.</p>}
    </section>
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
        <b dir="auto">{title}</b>
        <Status status={scene.status} />
      </button>
      {scene.status === 'PROCESSING' && <Bar label={title} percentage={scene.percentage} />}
      {scene.failure && <p className="scenewire-failure">{scene.failure.message}</p>}
    </article>
  )
}

function Clip({ scene, title, renew }: { scene: Scene; title: string; renew: () => void }) {
  const still = useStableUrl((scene.preview ?? scene.poster)?.url)
  if (scene.output)
    return (
      <Video src={scene.output.url} poster={scene.poster?.url} onStale={renew} aria-label={title} autoPlay={MOVES} muted />
    )
  return <div className="scenewire-picture">{still && <img src={still} alt="" />}</div>
}

function Bar({ label, percentage }: { label: string; percentage: number | null }) {
  return <progress aria-label={`Progress: ${label}`} max={100} value={percentage ?? undefined} />
}

const Icon = () => (
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5">
    <rect x="2" y="5" width="20" height="14" rx="3" />
    <path d="M10 9v6l5-3z" fill="currentColor" />
  </svg>
)

export const CLIPS: GraphiQLPlugin = { title: 'Clips', icon: Icon, content: Clips }
