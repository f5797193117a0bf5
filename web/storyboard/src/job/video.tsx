import { useRef, useState } from 'preact/hooks'

import { Icon } from '../parts/icon'
import { ProgressBar } from '../parts/progress'
import { ratioOf } from './grid'
import { useAddress } from './picture'
import { marksOf, type Mark } from './marks'
import type { Job } from './types'
import { inTimecode } from './words'

/** The joined video of a job with marks at the borders of its scenes; before there is one, a box of the same size. */
export function JobVideo({ job }: { job: Job }) {
  return (
    <section class="job-video" aria-label="Video" style={{ '--ratio': ratioOf(job) }}>
      {job.output ? <Player job={job} /> : <Placeholder job={job} />}
    </section>
  )
}

function Placeholder({ job }: { job: Job }) {
  const { currentStage, percentage } = job.progress
  const isJoining = currentStage === 'ASSEMBLING'
  return (
    <>
      <div class="video-box empty">
        <Icon name={isJoining ? 'spinner' : job.outputFailure ? 'warn' : 'film'} size={32} />
        <p>{isJoining ? 'Joining the clips to one video' : wordsOf(job)}</p>
        {job.status === 'PROCESSING' && <ProgressBar percentage={percentage} label="Progress of the video" />}
      </div>
      <div class="marks" aria-hidden="true">
        {job.scenes.nodes.map(({ id, status, durationSeconds }) => (
          <span key={id} class={`mark ${status.toLowerCase()}`} style={{ flexGrow: durationSeconds }} />
        ))}
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

function Player({ job }: { job: Job }) {
  const video = useRef<HTMLVideoElement>(null)
  const resume = useRef<{ at: number; plays: boolean } | undefined>(undefined)
  const [src, onStale] = useAddress(job.output)
  const [at, setAt] = useState(0)
  const marks = marksOf(job)

  function onError() {
    const { currentTime, paused } = video.current!
    resume.current = { at: currentTime, plays: !paused }
    onStale()
  }

  function onLoadedMetadata() {
    if (!resume.current) return
    video.current!.currentTime = resume.current.at
    if (resume.current.plays) void video.current!.play().catch(() => undefined) // the browser may refuse to play by itself
    resume.current = undefined
  }

  function seek({ start }: Mark) {
    setAt(start)
    video.current!.currentTime = start
  }

  return (
    <>
      <div class="video-box">
        <video
          ref={video}
          {...{ src, onError, onLoadedMetadata }}
          controls
          playsInline
          preload="metadata"
          aria-label={`Video of ${job.title}`}
          poster={job.scenes.nodes[0]?.poster?.url}
          onTimeUpdate={({ currentTarget }) => setAt(currentTarget.currentTime)}
        />
      </div>
      <ol class="marks" aria-label="Scenes in the video">
        {marks.map((mark) => (
          <li key={mark.sceneId} style={{ flexGrow: mark.end - mark.start }}>
            <button
              type="button"
              class="mark completed"
              aria-current={at >= mark.start && at < mark.end ? 'true' : undefined}
              aria-label={`Play from scene ${mark.number}, at ${inTimecode(mark.start)}`}
              title={`Scene ${mark.number} · ${inTimecode(mark.start)}`}
              onClick={() => seek(mark)}
            >
              <span>{mark.number}</span>
            </button>
          </li>
        ))}
      </ol>
    </>
  )
}
