import { address } from './address'
import { useStream } from './api'

const LABELS = { idle: '', live: 'live', reconnecting: 'reconnecting…' }

/** The product name, which leads to the storyboard, and the state of the websocket. */
export function Logo() {
  const { state } = useStream()
  const storyboard = address('storyboard')
  return (
    <>
      <span className={`scenewire-stream ${state}`} role="status">
        {LABELS[state]}
      </span>
      {storyboard ? <a href={storyboard}>Scenewire</a> : 'Scenewire'}
    </>
  )
}
