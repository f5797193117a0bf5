import { Button } from '../parts/button'
import { Icon } from '../parts/icon'
import { ProgressBar } from '../parts/progress'
import { JobStatusWord } from '../parts/status'
import { roughly } from '../parts/time'
import { Ago, Elapsed } from '../parts/times'
import { abilitiesOf } from './abilities'
import { useBusy } from './card-actions'
import { useJobContext } from './context'
import { explorerAddress } from './explorer-link'
import { FailureNote } from './failure'
import { InPlace } from './in-place'
import type { Job } from './types'
import { joinAdvice } from './words'

const MAX_TITLE_LENGTH = 200

/** Title, status, progress and actions of a job. */
export function JobHeader({ job }: { job: Job }) {
  const { actions } = useJobContext()
  const abilities = abilitiesOf(job)
  return (
    <header class="job-header">
      <h1 dir="auto">
        {abilities.edit ? (
          <InPlace value={job.title} label="Title of the job" maxLength={MAX_TITLE_LENGTH} save={actions.rename} />
        ) : (
          job.title
        )}
      </h1>
      <div class="job-facts">
        <JobStatusWord status={job.status} stage={job.progress.currentStage} />
        <span class="hint">{countsOf(job)}</span>
      </div>
      <JobProgress job={job} />
      {job.outputFailure && <FailureNote failure={job.outputFailure} todo={joinAdvice(job.outputFailure)} />}
      <JobActions job={job} />
      {job.outputAdjustments.map(({ code, message }) => (
        <p key={code} class="hint">
          {message}
        </p>
      ))}
      <p class="hint facts">
        {job.provider}
        {job.settings.model && ` · ${job.settings.model}`}
        {job.startedAt && !job.finishedAt && (
          <>
            {' · running for '}
            <Elapsed since={job.startedAt} />
          </>
        )}
        {job.finishedAt && (
          <>
            {' · finished '}
            <Ago at={job.finishedAt} />
          </>
        )}
      </p>
    </header>
  )
}

function countsOf({ progress: { total, completed, failed } }: Job): string {
  if (total === 0) return 'No scenes yet'
  return `${completed} of ${total} ${total === 1 ? 'scene' : 'scenes'} done${failed ? `, ${failed} failed` : ''}`
}

function JobProgress({ job: { progress, status } }: { job: Job }) {
  const tone = status === 'COMPLETED' ? 'ok' : status === 'FAILED' ? 'bad' : undefined
  return (
    <div class="job-progress">
      <ProgressBar percentage={progress.percentage} label="Progress of the job" tone={tone} />
      <p class="times">
        <span>{progress.stageLabel}</span>
        <span>
          {Math.floor(progress.percentage)} %{progress.etaSeconds !== null && ` · ${roughly(progress.etaSeconds)} left`}
        </span>
      </p>
    </div>
  )
}

function JobActions({ job }: { job: Job }) {
  const { actions } = useJobContext()
  const { start, cancel, retryFailed, remove } = abilitiesOf(job)
  const explorer = explorerAddress(job.id)
  const [busy, run] = useBusy()
  return (
    <div class="job-actions">
      {start && <Button label="Start" icon="play" kind="primary" busy={busy} onClick={() => run(actions.start)} />}
      {retryFailed && (
        <Button
          label={job.progress.failed === 1 ? 'Retry the failed scene' : `Retry all ${job.progress.failed} failed`}
          icon="retry"
          kind="primary"
          busy={busy}
          onClick={() => run(actions.retryFailed)}
        />
      )}
      {cancel && <Button label="Cancel" icon="stop" busy={busy} onClick={() => run(actions.cancel)} />}
      {remove && (
        <Button label="Delete the job" icon="trash" kind="quiet" busy={busy} onClick={() => run(actions.remove)} />
      )}
      {explorer && (
        <a class="button quiet" href={explorer}>
          <Icon name="open" />
          <span>Open in the explorer</span>
        </a>
      )}
    </div>
  )
}
