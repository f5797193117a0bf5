import type { FetcherParams } from '@graphiql/toolkit'
import { Kind, type OperationDefinitionNode } from 'graphql'
import { create } from 'zustand'
import { persist } from 'zustand/middleware'

import { jobInAddress, nameJobInAddress } from './address'

const NAMES = ['jobId', 'sceneId', 'takeId'] as const

export type Ids = Partial<Record<(typeof NAMES)[number], string>>

/** The job, scene and take ids that replace empty variables. Persisted over reloads. */
export const useMemory = create<Ids>()(persist((): Ids => ({}), { name: 'scenewire:memory' }))

const opened = jobInAddress()
if (opened) remember({ jobId: opened })
nameJobInAddress(useMemory.getState().jobId)
useMemory.subscribe(({ jobId }) => nameJobInAddress(jobId))

export function remember({ jobId, sceneId, takeId }: Ids) {
  const before = useMemory.getState()
  if (jobId && jobId !== before.jobId) useMemory.setState({ jobId, sceneId, takeId })
  else if (sceneId && sceneId !== before.sceneId) useMemory.setState({ sceneId, takeId })
  else if (takeId) useMemory.setState({ takeId })
}

/** Remembers the ids in the response of a mutation; their prefix (job_, scene_, take_) gives their type. */
export function rememberIdsIn(answer: unknown) {
  const text = JSON.stringify(answer) ?? ''
  const first = (kind: string) => text.match(`"(${kind}_[0-9a-z]+)"`)?.[1]
  // Takes are listed newest first: the first completed one is the clip before the regenerate.
  const earlier = text.match(/"id":"(take_[0-9a-z]+)"[^{}]*"status":"COMPLETED"/)?.[1]
  remember({ jobId: first('job'), sceneId: first('scene'), takeId: earlier })
}

/** Replaces empty id variables by the remembered ids; `empty` names them, `missing` one without a remembered id. */
export function fillIn(params: FetcherParams, operation?: OperationDefinitionNode | null) {
  const variables: Record<string, unknown> = { ...params.variables }
  const empty = NAMES.filter((name) => requires(operation, name) && !variables[name])
  for (const name of empty) variables[name] = useMemory.getState()[name]
  return { params: { ...params, variables }, empty, missing: empty.find((name) => !variables[name]) }
}

function requires(operation: OperationDefinitionNode | null | undefined, name: string) {
  return operation?.variableDefinitions?.some(
    (node) => node.variable.name.value === name && node.type.kind === Kind.NON_NULL_TYPE,
  )
}
