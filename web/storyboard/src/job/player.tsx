import { useRef, useState } from 'preact/hooks'

import { Button } from '../parts/button'
import { positionByKey } from '../parts/position-by-key'
import { downloadVideo } from './download'
import { marksOf, type Mark } from './marks'
import type { Job } from './types'
import { useSource } from './use-source'
import { inTimecode } from './words'

const STEP_SECONDS = 0.1
// More marks than that have no room for gaps between them.
const MOST_APART = 40

/** Plays the joined video. Its controls are below the picture, so that they never cover it. */
export function Player({ job }: { job: Job }) {
  const video = useRef<HTMLVideoElement>(null)
  const [at, setAt] = useState(0)
  const [isPlaying, setPlaying] = useState(false)
  const [isMuted, setMuted] = useState(false)
  const [isSaving, setSaving] = useState(false)
  const source = useSource(job.output)
  const length = job.output?.durationSeconds ?? 0

  function toggle() {
    if (video.current?.paused) void video.current.play().catch(() => undefined) // the file does not load: see onError
    else video.current?.pause()
  }

  function seek(seconds: number) {
    setAt(seconds)
    if (video.current) video.current.currentTime = seconds
  }

  function download() {
    setSaving(true)
    void downloadVideo(job.id).finally(() => setSaving(false))
  }

  return (
    <>
      <div class="video-box">
        <video
          ref={video}
          {...source}
          playsInline
          preload="metadata"
          muted={isMuted}
          aria-label={`Video of ${job.title}`}
          poster={job.scenes.nodes[0]?.poster?.url}
          onClick={toggle}
          onPlay={() => setPlaying(true)}
          onPause={() => setPlaying(false)}
          onTimeUpdate={({ currentTarget }) => setAt(currentTarget.currentTime)}
          onVolumeChange={({ currentTarget }) => setMuted(currentTarget.muted)}
        />
      </div>
      <div class="player">
        <Button label={isPlaying ? 'Pause' : 'Play'} icon={isPlaying ? 'pause' : 'play'} iconOnly onClick={toggle} />
        <input
          type="range"
          class="seek"
          aria-label="Position in the video"
          aria-valuetext={`${inTimecode(at)} of ${inTimecode(length)}`}
          min={0}
          max={length}
          step={STEP_SECONDS}
          value={at}
          style={{ '--played': length ? String(at / length) : '0' }}
          onInput={({ currentTarget }) => seek(Number(currentTarget.value))}
        />
        <span class="timecode">
          {inTimecode(at)} / {inTimecode(length)}
        </span>
        <Button
          label={isMuted ? 'Sound on' : 'Sound off'}
          icon={isMuted ? 'muted' : 'sound'}
          iconOnly
          kind="quiet"
          onClick={() => setMuted(!isMuted)}
        />
        <Button
          label="Full screen"
          icon="full"
          iconOnly
          kind="quiet"
          onClick={() => void video.current?.requestFullscreen().catch(() => undefined)}
        />
        <Button label="Download" icon="down" iconOnly kind="quiet" busy={isSaving} onClick={download} />
        <Marks marks={marksOf(job)} at={at} seek={seek} />
      </div>
    </>
  )
}

/**
 * The scenes along the video: each begins at its mark, and plays from there when it is activated.
 *
 * They are one tab stop, the mark of the scene that is shown; the arrow keys, Home and End go to the others.
 */
function Marks({ marks, at, seek }: { marks: Mark[]; at: number; seek: (seconds: number) => void }) {
  const list = useRef<HTMLOListElement>(null)
  const current = Math.max(0, marks.findLastIndex(({ start }) => at >= start))

  function move(event: KeyboardEvent, from: number) {
    const to = positionByKey(event.key, from, marks.length)
    if (to === undefined) return
    event.preventDefault()
    list.current?.querySelectorAll('button')[to]?.focus()
  }

  return (
    <ol ref={list} class={marks.length > MOST_APART ? 'marks dense' : 'marks'} aria-label="Scenes in the video">
      {marks.map(({ sceneId, number, start, end }, index) => (
        <li key={sceneId} style={{ flexGrow: String(end - start) }}>
          <button
            type="button"
            class="mark"
            tabIndex={index === current ? 0 : -1}
            onKeyDown={(event) => move(event, index)}
            aria-current={at >= start && at < end ? 'true' : undefined}
            aria-label={`Go to scene ${number}, at ${inTimecode(start)}`}
            title={`Scene ${number} · ${inTimecode(start)}`}
            onClick={() => seek(start)}
          >
            {number}
          </button>
        </li>
      ))}
    </ol>
  )
}
