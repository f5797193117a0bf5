/** The one client of the page, and whether what is shown may be old. */
import { createClient, type ConnectionState, type TypedDocument } from '@scenewire/client'
import { computed, signal } from '@preact/signals'

import { isPassing } from './failures'
import { written } from './page'
import { accessToken, refused } from './session'

export const client = createClient({
  url: new URL(written('graphql'), location.href).href,
  token: accessToken,
  onState: (state) => (connection.value = state),
})

/** The state of the websocket. */
export const connection = signal<ConnectionState>('closed')

const unavailable = signal(false)

/** Whether what is shown may be old, because the line or the server is away. */
export const isCatchingUp = computed(() => connection.value === 'reconnecting' || unavailable.value)

/** Runs a query or mutation like `client.request`; records that the server is away, or that the token is refused. */
export async function request<Data, Variables>(
  document: TypedDocument<Data, Variables>,
  variables?: Variables,
  init?: { signal?: AbortSignal },
): Promise<Data> {
  try {
    const data = await client.request(document, variables, init)
    unavailable.value = false
    return data
  } catch (reason) {
    if (!init?.signal?.aborted) {
      unavailable.value = isPassing(reason)
      refused(reason)
    }
    throw reason
  }
}
