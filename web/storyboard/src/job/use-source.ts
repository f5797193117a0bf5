import { useRef } from 'preact/hooks'

import { useAddress } from './picture'
import type { Media } from './types'

/** Returns the properties of a video that goes on where it was when its address has expired and a newer one arrives. */
export function useSource(media: Media | null) {
  const [src, onStale] = useAddress(media)
  const resume = useRef<{ at: number; plays: boolean } | undefined>(undefined)
  return {
    src,
    onError({ currentTarget: video }: { currentTarget: HTMLVideoElement }) {
      resume.current = { at: video.currentTime, plays: !video.paused }
      onStale()
    },
    onLoadedMetadata({ currentTarget: video }: { currentTarget: HTMLVideoElement }) {
      if (!resume.current) return
      video.currentTime = resume.current.at
      resume.current = undefined
    },
    onLoadStart({ currentTarget: video }: { currentTarget: HTMLVideoElement }) {
      if (resume.current?.plays) void video.play().catch(() => undefined) // browsers may want a click first
    },
  }
}
