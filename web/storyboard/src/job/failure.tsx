import { Icon } from '../parts/icon'
import type { Failure } from './types'
import { advice } from './words'

/** Why something failed, and what to do about it. `isRetried`: the server tries again by itself. */
export function FailureNote({ failure, isRetried = false, todo }: { failure: Failure; isRetried?: boolean; todo?: string }) {
  return (
    <div class={isRetried ? 'note warn' : 'note bad'}>
      <Icon name="warn" />
      <p>
        <b dir="auto">{failure.message}</b> {isRetried ? 'The next attempt follows by itself.' : (todo ?? advice(failure))}
      </p>
    </div>
  )
}
