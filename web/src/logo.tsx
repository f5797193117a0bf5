import { useStream } from './api'

const LABELS = { idle: '', live: 'live', reconnecting: 'reconnecting…' }

/** The product name and the state of the websocket. */
export function Logo() {
  const { state } = useStream()
  return (
    <>
      <span className={`scenewire-stream ${state}`} role="status">
        {LABELS[state]}
      </span>
      Scenewire
    </>
  )
}
