import { create } from 'zustand'

/** Shown beside every authentication error. */
export const TOKEN_HINT = 'Type {"Authorization": "Bearer …"} under Headers, below the operation; it applies to every tab.'

// Not persisted: GraphiQL's settings let the user choose whether headers are.
export const useAccess = create<{ authorization?: string; authError?: string }>(() => ({}))

/** Sets the credentials for further requests; undefined for none. Clears the error of the previous ones. */
export function setAuthorization(authorization?: string) {
  if (authorization !== useAccess.getState().authorization) useAccess.setState({ authorization, authError: undefined })
}

/** Returns the bearer token of the headers; undefined for one with characters that a browser cannot send, such as "…". */
export function bearerIn(headers: Record<string, unknown> = {}): string | undefined {
  const [, value] = Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization') ?? []
  return typeof value === 'string' && /^\s*bearer +[!-~]+\s*$/i.test(value) ? value.trim() : undefined
}

/** Adds the stored token to headers that have no authorization. */
export function withAuthorization(headers: Record<string, unknown> = {}): Record<string, unknown> {
  const { authorization } = useAccess.getState()
  const hasOwn = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')
  return authorization && !hasOwn ? { ...headers, authorization } : headers
}
