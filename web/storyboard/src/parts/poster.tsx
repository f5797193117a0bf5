import { useRef, useState } from 'preact/hooks'

/**
 * A picture in a box that keeps its size. Signed addresses of one file differ from message to message: the first one is
 * kept until it no longer works.
 */
export function Poster({ url, alt = '' }: { url: string | null | undefined; alt?: string }) {
  const shown = useRef<string | undefined>(undefined)
  const [failed, setFailed] = useState<string>()
  const next = url ?? undefined
  if (pathOf(next) !== pathOf(shown.current) || shown.current === failed) shown.current = next
  const address = shown.current === failed ? undefined : shown.current
  return (
    <span class="poster">
      {address && (
        <img src={address} alt={alt} loading="lazy" decoding="async" onError={() => setFailed(address)} />
      )}
    </span>
  )
}

function pathOf(url: string | undefined): string | undefined {
  return url?.split('?')[0]
}
