/** Who uses the page: nobody in development, the holder of a token in production. */
import { signal } from '@preact/signals'

import { isUnauthenticated } from './failures'
import { written } from './page'

export type SignIn = 'none' | 'token' | 'oidc'

/** How the server lets users in. */
export const signIn = written('sign-in') as SignIn

const KEY = 'scenewire:token' // of sessionStorage, which ends with the tab

/** The token of the user; undefined while signed out. */
export const token = signal(sessionStorage.getItem(KEY) ?? undefined)
/** Why the user has to sign in again. */
export const refusal = signal<string | undefined>(undefined)

/** Returns the token for the next request. */
export async function accessToken(): Promise<string | undefined> {
  return token.value
}

/** Uses a token from now on; undefined signs out. */
export function setToken(value: string | undefined) {
  refusal.value = undefined
  token.value = value
  if (value === undefined) sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, value)
}

/** Asks for another token, if this is the reason why a request failed. */
export function refused(reason: unknown) {
  if (signIn === 'none' || !isUnauthenticated(reason)) return
  setToken(undefined)
  refusal.value = (reason as Error).message
}
