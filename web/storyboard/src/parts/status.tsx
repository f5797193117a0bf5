import type { JobStage, JobStatus, SceneStatus } from '../operations'
import { Icon, type IconName } from './icon'

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

/** The status of a scene: icon, word and colour. `word` replaces the usual one, such as "Draft" before the start. */
export function SceneStatusWord({ status, word }: { status: SceneStatus; word?: string }) {
  return <Word {...SCENE[status]} word={word ?? SCENE[status].word} />
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
