import { useEffect, useMemo, useRef, useState, type ComponentProps, type PointerEvent, type SyntheticEvent } from 'react'

type Props = ComponentProps<'video'> & { src: string; onStale: () => void }

/** A video that ignores a renewed signed URL while its own works, and resumes with the new one when its own expires. */
export function Video(props: Props) {
  return <Player key={fileOf(props.src)} {...props} />
}

/** Returns the first URL seen for a file, so that a renewed signature does not reload it. */
export function useStableUrl(url?: string): string | undefined {
  return useMemo(() => url, [url && fileOf(url)])
}

// The signature in the query changes constantly; `frame` is the number of a live frame and identifies it.
function fileOf(url: string): string {
  const { origin, pathname, searchParams } = new URL(url, location.href)
  return `${origin}${pathname}#${searchParams.get('frame') ?? ''}`
}

function Player({ src: newest, poster, onStale, ...rest }: Props) {
  const [src, setSrc] = useState(newest)
  const [broken, setBroken] = useState(false)
  const position = useRef({ at: 0, playing: false })
  const loaded = useRef(false)

  useEffect(() => {
    if (!broken || src === newest) return
    setSrc(newest)
    setBroken(false)
  }, [broken, src, newest])

  function onError({ currentTarget: video }: SyntheticEvent<HTMLVideoElement>) {
    setBroken(true)
    if (!loaded.current) return // this URL never worked: use a newer one when it arrives, but do not request it
    position.current = { at: video.currentTime, playing: !video.paused }
    loaded.current = false
    onStale() // the newest known URL may have expired too
  }

  function onLoadedMetadata({ currentTarget: video }: SyntheticEvent<HTMLVideoElement>) {
    loaded.current = true
    const { at, playing } = position.current
    if (at) video.currentTime = at
    if (playing) video.play().catch(() => undefined)
  }

  const video = useRef<HTMLVideoElement>(null)
  const { controls, ...pointing } = usePointing()
  const [playing, setPlaying] = useState(false)
  const stopped = () => setPlaying(false)
  return (
    <div className="scenewire-video" {...pointing}>
      <video
        {...rest}
        {...{ src, onError, onLoadedMetadata, controls }}
        ref={video}
        poster={useStableUrl(poster)}
        onPlay={() => setPlaying(true)}
        onPause={stopped}
        onEnded={stopped}
        tabIndex={0}
        playsInline
      />
      {!playing && !controls && (
        <button type="button" aria-label={`Play ${rest['aria-label']}`} onClick={() => void video.current?.play()}>
          ▶
        </button>
      )}
    </div>
  )
}

/**
 * Shows the controls of the browser while the pointer is over the video or the keyboard's focus is in it. A browser keeps
 * those of an ended video in front of its picture, where they cover the caption.
 */
function usePointing() {
  const [over, setOver] = useState(false)
  const [focused, setFocused] = useState(false)
  return {
    controls: over || focused,
    onPointerEnter: () => setOver(true),
    // A finger leaves whenever it is lifted: its controls stay until another part of the page is tapped.
    onPointerLeave: ({ pointerType }: PointerEvent) => pointerType === 'touch' || setOver(false),
    onFocus: ({ target }: { target: Element }) => setFocused(target.tagName === 'VIDEO' && target.matches(':focus-visible')),
    onBlur: () => {
      setFocused(false)
      setOver(false)
    },
  }
}
