import { useEffect, useRef, useState } from 'preact/hooks'

import { useJobContext } from './context'
import { fileOf } from './share'
import type { Media } from './types'

/** Returns the address of a file, and what to do when it does not load: use a newer address, or request one. */
export function useAddress(media: Media | null | undefined): [string | undefined, () => void] {
  const { renew } = useJobContext()
  const newest = media?.url
  const [used, setUsed] = useState(newest)
  const isBroken = useRef(false)
  const isOther = newest === undefined || used === undefined ? newest !== used : fileOf(newest) !== fileOf(used)
  useEffect(() => {
    if (isOther || isBroken.current) setUsed(newest)
    isBroken.current = false
  }, [newest])
  function onError() {
    if (used === newest) {
      isBroken.current = true
      renew()
    } else setUsed(newest)
  }
  return [isOther ? newest : used, onError]
}

type Props = { media: Media | null | undefined; alt: string; class?: string }

/** A still or moving picture that fills its box without changing the size of it. */
export function Picture({ media, alt, class: extra }: Props) {
  const [src, onError] = useAddress(media)
  if (!src) return null
  return <img class={extra} {...{ src, alt, onError }} decoding="async" loading="lazy" draggable={false} />
}

const stillness = matchMedia('(prefers-reduced-motion: reduce)')

/** Returns whether the user asks for no motion. */
export function prefersStillness(): boolean {
  return stillness.matches
}
