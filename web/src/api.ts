import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from '@graphiql/toolkit'
import { getOperationAST, GraphQLError, parse, type ExecutionResult } from 'graphql'
import { createClient, type Client } from 'graphql-ws'
import { create } from 'zustand'

import { authorizationAmong, authorized, HOW, present, useAccess } from './access'
import { introspected } from './docs'
import { fillIn, remember, rememberAnswer } from './memory'

const PATH = '/graphql'
const LONGEST_WAIT_MS = 5_000
const FORBIDDEN = 4403
const CREATE = 'create a job in the first tab'
const ADVICE = { jobId: CREATE, sceneId: CREATE, takeId: 'regenerate a scene first' }

export const useStream = create(() => ({ state: 'idle' as 'idle' | 'live' | 'reconnecting' }))

let said: string | undefined | null = null // by the open socket; null while there is none

export const client = createClient({
  url: `${location.origin.replace(/^http/, 'ws')}${PATH}`,
  connectionParams: () => {
    const { authorization } = useAccess.getState()
    said = authorization
    return authorization ? { authorization } : undefined
  },
  keepAlive: 10_000,
  retryAttempts: Infinity,
  retryWait: (retries) => new Promise((done) => setTimeout(done, Math.min(500 * 2 ** retries, LONGEST_WAIT_MS))),
  shouldRetry: (failure) => !isOver(failure),
  on: {
    connecting: (isRetry) => isRetry && useStream.setState({ state: 'reconnecting' }),
    connected: () => {
      useStream.setState({ state: 'live' })
      useAccess.setState({ refusal: undefined })
    },
    closed: (event) => {
      said = null
      useStream.setState({ state: isOver(event) ? 'idle' : 'reconnecting' })
      if (event instanceof CloseEvent && event.code === FORBIDDEN) useAccess.setState({ refusal: explain(event) })
    },
  },
})

// 1000: nobody listens any more. 4000 and above: the server refused, which a retry would not change.
function isOver(event: unknown) {
  return event instanceof CloseEvent && (event.code === 1000 || event.code >= 4000)
}

// Who somebody is, is said once a socket: for another token there must be another socket. Its streams go on there.
useAccess.subscribe(({ authorization }) => {
  if (said !== null && said !== authorization) client.terminate()
})

/** Why a stream ended, for people. */
export function explain(problem: unknown): string {
  if (problem instanceof CloseEvent) {
    if (problem.code === FORBIDDEN) return problem.reason || 'The server does not let you in.'
    return `The stream was closed: ${problem.reason || problem.code}`
  }
  const [first] = Array.isArray(problem) ? problem : [problem]
  return first instanceof Error || first?.message ? first.message : 'The stream failed.'
}

// As a last result: what GraphiQL's sink is told as an error, the page reports once more as one that nobody caught.
const explaining: Client = {
  ...client,
  subscribe: (payload, sink) =>
    client.subscribe(payload, {
      ...sink,
      error: (problem) => {
        sink.next({ errors: Array.isArray(problem) ? problem : [new GraphQLError(advised(problem))] })
        sink.complete()
      },
    }),
}

function advised(problem: unknown): string {
  const forbidden = problem instanceof CloseEvent && problem.code === FORBIDDEN
  return forbidden ? `${explain(problem)} ${HOW}` : explain(problem)
}

const send = createGraphiQLFetcher({ url: PATH, wsClient: explaining, enableIncrementalDelivery: false })

export const fetcher: Fetcher = async (given, options) => {
  const { document, operation } = read(given)
  const { params, lacking } = fillIn({ ...given, operationName: operation?.name?.value ?? given.operationName }, operation)
  if (lacking) return { errors: [new GraphQLError(`The ${lacking} is empty: ${ADVICE[lacking]}, or name one.`)] }

  const own = authorizationAmong(options?.headers)
  if (own) present(own) // at once: a subscription is let in by it
  remember(params.variables)
  const answer = await send(params, { ...options, headers: authorized(options?.headers), documentAST: document })
  if (operation?.operation !== 'subscription') note(answer as ExecutionResult)
  if (operation?.operation === 'mutation') rememberAnswer(answer)
  return operation?.name?.value === 'IntrospectionQuery' ? introspected(answer as ExecutionResult) : answer
}

function note({ errors }: ExecutionResult) {
  const refused = errors?.find((error) => error.extensions?.code === 'UNAUTHENTICATED')
  useAccess.setState({ refusal: refused?.message })
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
