import type { FetcherParams } from '@graphiql/toolkit'
import { Kind, type OperationDefinitionNode } from 'graphql'
import { create } from 'zustand'
import { persist } from 'zustand/middleware'

const NAMES = ['jobId', 'sceneId', 'takeId'] as const

export type Ids = Partial<Record<(typeof NAMES)[number], string>>

/** The job, the scene and its earlier take that a variable left empty stands for; kept over reloads. */
export const useMemory = create<Ids>()(persist((): Ids => ({}), { name: 'scenewire:memory' }))

export function remember({ jobId, sceneId, takeId }: Ids) {
  const before = useMemory.getState()
  if (jobId && jobId !== before.jobId) useMemory.setState({ jobId, sceneId, takeId })
  else if (sceneId && sceneId !== before.sceneId) useMemory.setState({ sceneId, takeId })
  else if (takeId) useMemory.setState({ takeId })
}

/** Ids say what they are (job_…, scene_…), so the answer to any mutation can be searched for them. */
export function rememberAnswer(answer: unknown) {
  const text = JSON.stringify(answer) ?? ''
  const first = (kind: string) => text.match(`"(${kind}_[0-9a-z]+)"`)?.[1]
  // Of takes, newest first, the one to go back to is the first that has a clip.
  const earlier = text.match(/"id":"(take_[0-9a-z]+)"[^{}]*"status":"COMPLETED"/)?.[1]
  remember({ jobId: first('job'), sceneId: first('scene'), takeId: earlier })
}

/** Gives a jobId or sceneId that was left empty the remembered id; `lacking` names one that there is none for yet. */
export function fillIn(params: FetcherParams, operation?: OperationDefinitionNode | null) {
  const variables: Record<string, unknown> = { ...params.variables }
  const empty = NAMES.filter((name) => requires(operation, name) && !variables[name])
  for (const name of empty) variables[name] = useMemory.getState()[name]
  return { params: { ...params, variables }, lacking: empty.find((name) => !variables[name]) }
}

function requires(operation: OperationDefinitionNode | null | undefined, name: string) {
  return operation?.variableDefinitions?.some(
    (node) => node.variable.name.value === name && node.type.kind === Kind.NON_NULL_TYPE,
  )
}
