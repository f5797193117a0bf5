import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from '@graphiql/toolkit'
import { getOperationAST, GraphQLError, parse } from 'graphql'
import { createClient } from 'graphql-ws'
import { create } from 'zustand'

import { fillIn, remember, rememberAnswer } from './memory'

const PATH = '/graphql'
const LONGEST_WAIT_MS = 5_000

export const useStream = create(() => ({ state: 'idle' as 'idle' | 'live' | 'reconnecting' }))

export const client = createClient({
  url: `${location.origin.replace(/^http/, 'ws')}${PATH}`,
  keepAlive: 10_000,
  retryAttempts: Infinity,
  retryWait: (retries) => new Promise((done) => setTimeout(done, Math.min(500 * 2 ** retries, LONGEST_WAIT_MS))),
  shouldRetry: (failure) => !isOver(failure),
  on: {
    connecting: (isRetry) => isRetry && useStream.setState({ state: 'reconnecting' }),
    connected: () => useStream.setState({ state: 'live' }),
    closed: (event) => useStream.setState({ state: isOver(event) ? 'idle' : 'reconnecting' }),
  },
})

// 1000: nobody listens any more. 4000 and above: the server refused, which a retry would not change.
function isOver(event: unknown) {
  return event instanceof CloseEvent && (event.code === 1000 || event.code >= 4000)
}

const send = createGraphiQLFetcher({ url: PATH, wsClient: client, enableIncrementalDelivery: false })

export const fetcher: Fetcher = async (given, options) => {
  const { document, operation } = read(given)
  const { params, lacking } = fillIn({ ...given, operationName: operation?.name?.value ?? given.operationName }, operation)
  if (lacking) return { errors: [new GraphQLError(`The ${lacking} is empty: create a job in the first tab, or name one.`)] }

  remember(params.variables)
  const answer = await send(params, { ...options, documentAST: document })
  if (operation?.operation === 'mutation') rememberAnswer(answer)
  return answer
}

/** Reads the text itself, for GraphiQL hears of an edit late: run at once, the new text comes under the old operation's name. */
function read({ query, operationName }: FetcherParams) {
  try {
    const document = parse(query)
    return { document, operation: getOperationAST(document, operationName) ?? getOperationAST(document) }
  } catch {
    return {} // the server will say where the mistake is
  }
}
