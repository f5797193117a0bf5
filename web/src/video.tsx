import { useEffect, useMemo, useRef, useState, type ComponentProps, type SyntheticEvent } from 'react'

type Props = ComponentProps<'video'> & { src: string; onStale: () => void }

/** A video that plays on while its signed address is renewed, and goes on at the newest one when its own has expired. */
export function Video(props: Props) {
  return <Player key={fileAt(props.src)} {...props} />
}

/** The first of the addresses that a file has had. */
export function useSteady(url?: string): string | undefined {
  return useMemo(() => url, [url && fileAt(url)])
}

// What signs an address changes all the time; the number of a live frame says which frame it is.
function fileAt(url: string): string {
  const { origin, pathname, searchParams } = new URL(url, location.href)
  return `${origin}${pathname}#${searchParams.get('frame') ?? ''}`
}

function Player({ src: newest, poster, onStale, ...rest }: Props) {
  const [src, setSrc] = useState(newest)
  const [broken, setBroken] = useState(false)
  const left = useRef({ at: 0, playing: false })
  const played = useRef(false)

  useEffect(() => {
    if (!broken || src === newest) return
    setSrc(newest)
    setBroken(false)
  }, [broken, src, newest])

  function onError({ currentTarget: video }: SyntheticEvent<HTMLVideoElement>) {
    setBroken(true)
    if (!played.current) return // it never did here: a newer address is taken when one comes, but not asked for
    left.current = { at: video.currentTime, playing: !video.paused }
    played.current = false
    onStale() // the newest may be as old
  }

  function onLoadedMetadata({ currentTarget: video }: SyntheticEvent<HTMLVideoElement>) {
    played.current = true
    const { at, playing } = left.current
    if (at) video.currentTime = at
    if (playing) video.play().catch(() => undefined)
  }

  return <video {...rest} src={src} poster={useSteady(poster)} {...{ onError, onLoadedMetadata }} controls playsInline />
}
