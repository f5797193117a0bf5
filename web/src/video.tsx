import { useEffect, useMemo, useRef, useState, type ComponentProps, type SyntheticEvent } from 'react'

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

  return <video {...rest} src={src} poster={useStableUrl(poster)} {...{ onError, onLoadedMetadata }} controls playsInline />
}
