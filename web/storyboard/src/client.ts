/** The one client of the page, and whether what is shown may be old. */
import { computed, signal } from '@preact/signals'
import { createClient, type ConnectionState, type TypedDocument } from '@scenewire/client'

import { isPassing } from './failures'
import { written } from './page'
import { accessToken, refused, token } from './session'

/** The state of the websocket. */
export const connection = signal<ConnectionState>('connecting')
const unavailable = signal(false)

export const client = createClient({
  url: written('graphql'),
  token: accessToken,
  onState: (state) => (connection.value = state),
})

/** Whether what is shown may be old, because the line or the server is away. */
export const isCatchingUp = computed(() => connection.value === 'reconnecting' || unavailable.value)

/** Runs a query or mutation like `client.request`; records that the server is away, or that the token is refused. */
export async function request<Data, Variables>(
  document: TypedDocument<Data, Variables>,
  variables?: Variables,
  init?: { signal?: AbortSignal },
): Promise<Data> {
  const sentWith = token.value
  try {
    const data = await client.request(document, variables, init)
    unavailable.value = false
    return data
  } catch (reason) {
    if (!init?.signal?.aborted) {
      unavailable.value = isPassing(reason)
      if (sentWith === token.value) refused(reason)
    }
    throw reason
  }
}
