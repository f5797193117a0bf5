import { createGraphiQLFetcher, type Fetcher, type FetcherParams, type Observable } from '@graphiql/toolkit'
import { getOperationAST, GraphQLError, parse, type ExecutionResult } from 'graphql'

import { bearerIn, setAuthorization, TOKEN_HINT, useAccess, withAuthorization } from './access'
import { client, explain, FORBIDDEN, PATH } from './api'
import { keepIntrospectionError } from './docs'
import { fillIn, remember, rememberIdsIn, useMemory } from './memory'
import { activeTab, dropList, receive, startList } from './messages'
import { needOf, readiness, waitQuery, type Need, type WaitMessage } from './ready'

const CREATE_JOB = 'create a job in the first tab'
const ADVICE = { jobId: CREATE_JOB, sceneId: CREATE_JOB, takeId: 'regenerate a scene first' }
const INTROSPECTION = 'IntrospectionQuery'

/** The sink of a stream of results, which GraphiQL shows one after the other. */
type Sink = { next: (result: ExecutionResult) => void; complete: () => void }
type Stop = () => void

const send = createGraphiQLFetcher({ url: PATH, enableIncrementalDelivery: false })

export const fetcher: Fetcher = async (given, options) => {
  const { document, operation } = parseOperation(given)
  const operationName = operation?.name?.value ?? given.operationName
  const { params, empty, missing } = fillIn({ ...given, operationName }, operation)
  const introspects = operationName === INTROSPECTION
  if (!introspects) dropList(activeTab())
  const need = operation && needOf(operation, empty, useMemory.getState())
  if (missing && !need?.take) return failure(missing)

  const own = bearerIn(options?.headers)
  if (own) setAuthorization(own) // before sending: a subscription authenticates its socket with it
  remember(params.variables)
  if (operation?.operation === 'subscription') return stream((sink) => follow(params, activeTab(), sink))

  const run = async (sent: FetcherParams) => {
    const headers = withAuthorization(options?.headers)
    const answer = (await send(sent, { ...options, headers, documentAST: document })) as ExecutionResult
    storeAuthError(answer)
    if (operation?.operation === 'mutation') rememberIdsIn(answer)
    return introspects ? keepIntrospectionError(answer) : answer
  }
  return need ? stream((sink) => runWhenReady(need, params, run, sink)) : run(params)
}

function failure(missing: keyof typeof ADVICE): ExecutionResult {
  return { errors: [new GraphQLError(`The ${missing} is empty: ${ADVICE[missing]}, or enter one.`)] }
}

/** Returns an observable, which the button of GraphiQL stops. */
function stream(start: (sink: Sink) => Stop) {
  const observable = { subscribe: (sink: Sink) => ({ unsubscribe: start(sink) }) }
  return observable as unknown as Observable<ExecutionResult> // GraphiQL uses only the form with an object
}

/** Runs a subscription, and lists its messages for the tab. */
function follow({ query, variables, operationName }: FetcherParams, list: string, sink: Sink): Stop {
  startList(list)
  const next = (result: ExecutionResult) => sink.next(receive(list, result))
  return client.subscribe(
    { query, variables, operationName },
    {
      next: (result) => next(result as ExecutionResult),
      // As a last result: GraphiQL would also report an error as an unhandled rejection.
      error: (problem) => {
        next(errorsOf(problem))
        sink.complete()
      },
      complete: () => sink.complete(),
    },
  )
}

/** Sends an operation once the scene that it needs is finished. */
function runWhenReady(
  need: Need,
  params: FetcherParams,
  run: (params: FetcherParams) => Promise<ExecutionResult>,
  sink: Sink,
): Stop {
  let stopped = false
  const stop = () => {
    stopped = true
    unsubscribe()
  }
  const finish = (result: ExecutionResult) => {
    if (stopped) return
    sink.next(result)
    sink.complete()
  }
  const proceed = (takeId?: string) => {
    unsubscribe()
    if (need.take && !takeId) return finish(failure('takeId'))
    const variables = need.take ? { ...params.variables, takeId } : params.variables
    remember(variables)
    run({ ...params, variables }).then(finish, (problem) => finish(errorsOf(problem)))
  }
  const unsubscribe = client.subscribe<WaitMessage>(
    { query: waitQuery, variables: { jobId: useMemory.getState().jobId } },
    {
      next: ({ data, errors }) => {
        if (data && !('job' in data.jobEvents)) return
        const job = data?.jobEvents.job
        if (errors || !job) return proceed()
        const state = readiness(need, job)
        if (!state || state.ready) return proceed(state?.takeId)
        sink.next(waiting(state.status))
      },
      error: (problem) => finish(errorsOf(problem)),
      complete: () => undefined,
    },
  )
  return stop
}

function waiting(status: string): ExecutionResult {
  const note = `The scene is ${status}. This is sent when it is finished; stop it to send nothing.`
  return { toJSON: () => ({ waiting: note }) } as ExecutionResult
}

function errorsOf(problem: unknown): ExecutionResult {
  if (Array.isArray(problem)) return { errors: problem }
  const forbidden = problem instanceof CloseEvent && problem.code === FORBIDDEN
  return { errors: [new GraphQLError(forbidden ? `${explain(problem)} ${TOKEN_HINT}` : explain(problem))] }
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
