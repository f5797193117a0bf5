import { Icon } from '../parts/icon'
import { ratioOf } from './grid'
import { Player } from './player'
import type { Job } from './types'

/** The joined video of a job with marks at the borders of its scenes; before there is one, a box of the same size. */
export function JobVideo({ job }: { job: Job }) {
  return (
    <section
      class={job.output ? 'job-video' : 'job-video empty'}
      aria-label="Video"
      style={{ '--ratio': String(ratioOf(job)) }}
    >
      {job.output ? <Player job={job} /> : <Placeholder job={job} />}
    </section>
  )
}

function Placeholder({ job }: { job: Job }) {
  const isJoining = job.progress.currentStage === 'ASSEMBLING'
  return (
    <>
      <div class="video-box" />
      <div class="player" />
      <div class="video-words">
        <Icon name={isJoining ? 'spinner' : job.outputFailure ? 'warn' : 'film'} size={32} />
        <p>{isJoining ? 'Joining the clips to one video' : wordsOf(job)}</p>
      </div>
    </>
  )
}

function wordsOf(job: Job): string {
  if (job.outputFailure) return 'The clips could not be joined'
  if (job.status === 'PENDING') return 'The video appears here once all scenes are rendered'
  if (job.status === 'PROCESSING') return 'The video appears here when the last scene is done'
  return 'There is no video, because not all scenes are done'
}
