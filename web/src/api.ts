import { createClient } from 'graphql-ws'
import { create } from 'zustand'

import { address } from './address'
import { useAccess } from './access'

export const PATH = address('graphql')
const MAX_BACKOFF_MS = 5_000
export const FORBIDDEN = 4403

export const useStream = create(() => ({ state: 'idle' as 'idle' | 'live' | 'reconnecting' }))

let socketAuthorization: string | undefined | null = null // null while no socket is open

export const client = createClient({
  url: `${location.origin.replace(/^http/, 'ws')}${PATH}`,
  connectionParams: () => {
    const { authorization } = useAccess.getState()
    socketAuthorization = authorization
    return authorization ? { authorization } : undefined
  },
  keepAlive: 10_000,
  retryAttempts: Infinity,
  retryWait: (retries) => new Promise((done) => setTimeout(done, Math.min(500 * 2 ** retries, MAX_BACKOFF_MS))),
  shouldRetry: (failure) => !isFinal(failure),
  on: {
    connecting: (isRetry) => isRetry && useStream.setState({ state: 'reconnecting' }),
    connected: () => {
      useStream.setState({ state: 'live' })
      useAccess.setState({ authError: undefined })
    },
    closed: (event) => {
      socketAuthorization = null
      useStream.setState({ state: isFinal(event) ? 'idle' : 'reconnecting' })
      if (event instanceof CloseEvent && event.code === FORBIDDEN) useAccess.setState({ authError: explain(event) })
    },
  },
})

// 1000: no subscription is left. 4000 and above: a protocol or authentication error, which a retry would repeat.
function isFinal(event: unknown) {
  return event instanceof CloseEvent && (event.code === 1000 || event.code >= 4000)
}

// A socket authenticates once, in connection_init: a new token needs a new socket. graphql-ws resubscribes on it.
useAccess.subscribe(({ authorization }) => {
  if (socketAuthorization !== null && socketAuthorization !== authorization) client.terminate()
})

/** Returns a readable reason why a stream ended. */
export function explain(problem: unknown): string {
  if (problem instanceof CloseEvent) {
    if (problem.code === FORBIDDEN) return problem.reason || 'The server refused access.'
    return `The stream was closed: ${problem.reason || problem.code}`
  }
  const [first] = Array.isArray(problem) ? problem : [problem]
  return first instanceof Error || first?.message ? first.message : 'The stream failed.'
}
