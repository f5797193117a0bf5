/** Who uses the page: the local user in development, the holder of a token in production. */
import { signal } from '@preact/signals'

import { isUnauthenticated } from './failures'
import { written } from './page'

export type SignIn = 'none' | 'token' | 'oidc'

/** How the server lets users in. */
export const signIn = (written('sign-in') || 'none') as SignIn

const KEY = 'scenewire:token' // of sessionStorage, which ends with the tab

/** The token of the user; undefined while signed out. */
export const token = signal(sessionStorage.getItem(KEY) ?? undefined)
/** Why the user has to sign in again. */
export const refusal = signal<string | undefined>(undefined)

/** Returns a token in place of the current one; undefined when there is none. */
type Renew = (refused: boolean) => Promise<string | undefined>

let renew: Renew = async () => undefined

/** Lets tokens be renewed before they expire, and after they were refused. */
export function renewBy(way: Renew) {
  renew = way
}

/** Returns the token for the next request. `refused` is one that the server did not accept. */
export async function accessToken(refused?: string): Promise<string | undefined> {
  const renewed = await renew(refused !== undefined && refused === token.value)
  if (renewed !== undefined) setToken(renewed)
  return token.value
}

/** Uses a token from now on; undefined signs out. */
export function setToken(value: string | undefined) {
  refusal.value = undefined
  token.value = value
  if (value === undefined) sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, value)
}

/** Removes the token from the tab; the page has to be left right after. */
export function forgetToken() {
  sessionStorage.removeItem(KEY)
}

/** Asks for another token, if this is the reason why a request failed. */
export function refused(reason: unknown) {
  if (signIn === 'none' || !isUnauthenticated(reason)) return
  const had = token.value !== undefined
  setToken(undefined)
  if (had) refusal.value = (reason as Error).message
}
