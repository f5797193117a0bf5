import type { FetcherParams } from '@graphiql/toolkit'
import { Kind, type OperationDefinitionNode } from 'graphql'
import { create } from 'zustand'
import { persist } from 'zustand/middleware'

const NAMES = ['jobId', 'sceneId'] as const

export type Ids = Partial<Record<(typeof NAMES)[number], string>>

/** The job and the scene that a variable left empty stands for; kept over reloads. */
export const useMemory = create<Ids>()(persist((): Ids => ({}), { name: 'scenewire:memory' }))

export function remember({ jobId, sceneId }: Ids) {
  if (jobId && jobId !== useMemory.getState().jobId) useMemory.setState({ jobId, sceneId })
  else if (sceneId) useMemory.setState({ sceneId })
}

/** Ids say what they are (job_…, scene_…), so the answer to any mutation can be searched for them. */
export function rememberAnswer(answer: unknown) {
  const text = JSON.stringify(answer) ?? ''
  const first = (kind: string) => text.match(`"(${kind}_[0-9a-z]+)"`)?.[1]
  remember({ jobId: first('job'), sceneId: first('scene') })
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
