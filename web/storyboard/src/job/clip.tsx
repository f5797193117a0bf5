import { useRef, useState } from 'preact/hooks'

import { Icon } from '../parts/icon'
import { Picture } from './picture'
import type { Media } from './types'
import { useSource } from './use-source'

type Props = {
  clip: Media | null
  poster: Media | null
  /** What the clip is called, such as "take 2". */
  name: string
}

/** A clip in its box: a click plays and pauses it. It has no controls over the picture, which would hide its caption. */
export function Clip({ clip, poster, name }: Props) {
  const video = useRef<HTMLVideoElement>(null)
  const source = useSource(clip)
  const [isPlaying, setPlaying] = useState(false)

  function toggle() {
    if (video.current?.paused) void video.current.play().catch(() => undefined) // the file does not load: see onError
    else video.current?.pause()
  }

  if (!source.src) {
    return (
      <div class="screen">
        <Icon name="film" size={24} />
        <Picture media={poster} alt="" />
      </div>
    )
  }
  return (
    <button type="button" class="screen" aria-label={`${isPlaying ? 'Pause' : 'Play'} ${name}`} onClick={toggle}>
      <video
        ref={video}
        {...source}
        playsInline
        loop
        preload="none"
        poster={poster?.url}
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
      />
      {!isPlaying && (
        <span class="play-badge">
          <Icon name="play" size={20} />
        </span>
      )}
    </button>
  )
}
