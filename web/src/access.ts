import { create } from 'zustand'

/** Said wherever somebody is not let in. */
export const HOW = 'Type {"Authorization": "Bearer …"} under Headers, below the operation; it counts in every tab.'

// In memory alone: whether headers outlive the page is the visitor's choice, in GraphiQL's settings.
export const useAccess = create<{ authorization?: string; refusal?: string }>(() => ({}))

/** Who somebody says they are from now on; undefined where nobody asks. */
export function present(authorization?: string) {
  if (authorization !== useAccess.getState().authorization) useAccess.setState({ authorization, refusal: undefined })
}

/** The bearer token among some headers. One that no browser would send, such as "Bearer …" itself, is none. */
export function authorizationAmong(headers: Record<string, unknown> = {}): string | undefined {
  const [, value] = Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization') ?? []
  return typeof value === 'string' && /^\s*bearer +[!-~]+\s*$/i.test(value) ? value.trim() : undefined
}

/** Headers without a token of their own get the one that was presented. */
export function authorized(headers: Record<string, unknown> = {}): Record<string, unknown> {
  const { authorization } = useAccess.getState()
  const says = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')
  return authorization && !says ? { ...headers, authorization } : headers
}
