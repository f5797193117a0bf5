import { createGraphiQLFetcher, type Fetcher, type FetcherParams } from '@graphiql/toolkit'
import { getOperationAST, GraphQLError, parse, type ExecutionResult } from 'graphql'
import { createClient, type Client } from 'graphql-ws'
import { create } from 'zustand'

import { address } from './address'
import { bearerIn, setAuthorization, TOKEN_HINT, useAccess, withAuthorization } from './access'
import { keepIntrospectionError } from './docs'
import { fillIn, remember, rememberIdsIn } from './memory'

const PATH = address('graphql')
const MAX_BACKOFF_MS = 5_000
const FORBIDDEN = 4403
const CREATE_JOB = 'create a job in the first tab'
const ADVICE = { jobId: CREATE_JOB, sceneId: CREATE_JOB, takeId: 'regenerate a scene first' }

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

// Delivers an error as a last result: GraphiQL would also report it as an unhandled rejection.
const clientWithReadableErrors: Client = {
  ...client,
  subscribe: (payload, sink) =>
    client.subscribe(payload, {
      ...sink,
      error: (problem) => {
        sink.next({ errors: Array.isArray(problem) ? problem : [new GraphQLError(withHint(problem))] })
        sink.complete()
      },
    }),
}

function withHint(problem: unknown): string {
  const forbidden = problem instanceof CloseEvent && problem.code === FORBIDDEN
  return forbidden ? `${explain(problem)} ${TOKEN_HINT}` : explain(problem)
}

const send = createGraphiQLFetcher({ url: PATH, wsClient: clientWithReadableErrors, enableIncrementalDelivery: false })

export const fetcher: Fetcher = async (given, options) => {
  const { document, operation } = parseOperation(given)
  const { params, missing } = fillIn({ ...given, operationName: operation?.name?.value ?? given.operationName }, operation)
  if (missing) return { errors: [new GraphQLError(`The ${missing} is empty: ${ADVICE[missing]}, or enter one.`)] }

  const own = bearerIn(options?.headers)
  if (own) setAuthorization(own) // before sending: a subscription authenticates its socket with it
  remember(params.variables)
  const answer = await send(params, { ...options, headers: withAuthorization(options?.headers), documentAST: document })
  if (operation?.operation !== 'subscription') storeAuthError(answer as ExecutionResult)
  if (operation?.operation === 'mutation') rememberIdsIn(answer)
  return operation?.name?.value === 'IntrospectionQuery' ? keepIntrospectionError(answer as ExecutionResult) : answer
}

function storeAuthError({ errors }: ExecutionResult) {
  const error = errors?.find(({ extensions }) => extensions?.code === 'UNAUTHENTICATED')
  useAccess.setState({ authError: error?.message })
}

/** Parses the document here: GraphiQL debounces edits, so `operationName` may still be that of the previous text. */
function parseOperation({ query, operationName }: FetcherParams) {
  try {
    const document = parse(query)
    return { document, operation: getOperationAST(document, operationName) ?? getOperationAST(document) }
  } catch {
    return {} // the server reports the syntax error
  }
}
