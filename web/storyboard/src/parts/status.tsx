import type { JobStage, JobStatus, SceneStatus } from '../operations'
import { Icon, type IconName } from './icon'

/** The stage of a pending scene before the start, or after a failed attempt. */
export type SceneStage = Extract<JobStage, 'WAITING' | 'RETRYING'>

type Look = { word: string; icon: IconName; tone: 'idle' | 'busy' | 'ok' | 'bad' | 'warn' }

const SCENE: Record<SceneStatus, Look> = {
  PENDING: { word: 'Waiting', icon: 'clock', tone: 'idle' },
  PROCESSING: { word: 'Generating', icon: 'spinner', tone: 'busy' },
  COMPLETED: { word: 'Done', icon: 'check', tone: 'ok' },
  FAILED: { word: 'Failed', icon: 'warn', tone: 'bad' },
  CANCELED: { word: 'Canceled', icon: 'stop', tone: 'idle' },
}

const STAGE: Record<Exclude<JobStage, 'STOPPED'>, Look> = {
  WAITING: { word: 'Draft', icon: 'draft', tone: 'idle' },
  QUEUED: { word: 'Queued', icon: 'clock', tone: 'busy' },
  GENERATING: { word: 'Generating', icon: 'spinner', tone: 'busy' },
  RETRYING: { word: 'Retrying', icon: 'retry', tone: 'warn' },
  ASSEMBLING: { word: 'Joining clips', icon: 'spinner', tone: 'busy' },
  DONE: { word: 'Done', icon: 'check', tone: 'ok' },
}

/** The status of a scene: icon, word and colour. `stage` is more exact, such as WAITING before the start. */
export function SceneStatusWord({ status, stage }: { status: SceneStatus; stage?: SceneStage }) {
  return <Word {...(stage ? STAGE[stage] : SCENE[status])} />
}

/** The status of a job: icon, word and colour. */
export function JobStatusWord({ status, stage }: { status: JobStatus; stage: JobStage }) {
  return <Word {...(stage === 'STOPPED' ? SCENE[status] : STAGE[stage])} />
}

function Word({ word, icon, tone }: Look) {
  return (
    <span class={`status ${tone}`}>
      <Icon name={icon} />
      {word}
    </span>
  )
}
