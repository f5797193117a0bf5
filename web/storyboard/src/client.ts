/** The one client of the page, and whether its requests reach the server. */
import { signal } from '@preact/signals'
import { createClient, type TypedDocument } from '@scenewire/client'

import { isPassing } from './failures'
import { ReachableDocument } from './operations'
import { written } from './page'
import { accessToken, refused, token } from './session'

export const client = createClient({ url: written('graphql'), token: accessToken })

/** Whether the last request failed because the line or the server is away. */
export const isUnavailable = signal(false)

/** Runs a query or mutation like `client.request`; records that the server is away, or that the token is refused. */
export async function request<Data, Variables>(
  document: TypedDocument<Data, Variables>,
  variables?: Variables,
  init?: { signal?: AbortSignal },
): Promise<Data> {
  const sentWith = token.value
  try {
    const data = await client.request(document, variables, init)
    isUnavailable.value = false
    return data
  } catch (reason) {
    if (!init?.signal?.aborted) {
      if (isPassing(reason)) lookAgain()
      if (sentWith === token.value) refused(reason)
    }
    throw reason
  }
}

const LOOK_AGAIN_MS = 2_000

/** Asks until the server answers: the stream may be up all the while, and then nothing else says that requests are. */
function lookAgain() {
  if (isUnavailable.value) return
  isUnavailable.value = true
  const timer = setInterval(() => {
    if (!isUnavailable.value) return clearInterval(timer)
    client.request(ReachableDocument).then(
      () => (isUnavailable.value = false),
      (reason) => (isUnavailable.value = isPassing(reason)),
    )
  }, LOOK_AGAIN_MS)
}
