import { useStream } from './api'

const WORDS = { idle: '', live: 'live', reconnecting: 'reconnecting…' }

/** The name of the product, and how its live stream fares. */
export function Logo() {
  const { state } = useStream()
  return (
    <>
      <span className={`scenewire-stream ${state}`} role="status">
        {WORDS[state]}
      </span>
      Scenewire
    </>
  )
}
