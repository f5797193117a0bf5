import { Kind, type OperationDefinitionNode } from 'graphql'

import type { Ids } from './memory'
import query from './operations/wait-for-scene.graphql?raw'

type Take = { id: string; status: string }
type Scene = { id: string; status: string; currentTake: Take | null; takes: Take[] }
type Job = { status: string; scenes: { nodes: Scene[] } }
export type WaitMessage = { jobEvents: { job?: Job | null } } // SceneProgress has no field job

/** What has to be so before an operation is sent: the scene is finished, or it has a take for an empty takeId, or both. */
export type Need = { sceneId: string; finished: boolean; take: boolean }

/** The subscription whose messages `readiness` reads. */
export const waitQuery = query

const OF_FINISHED_SCENES = ['regenerateScene', 'selectTake']

/**
 * Returns what an operation needs of the remembered scene, so that the prepared tabs can be run in order without a pause;
 * undefined for one that names its scene or take itself.
 */
export function needOf(operation: OperationDefinitionNode, empty: string[], { sceneId, takeId }: Ids): Need | undefined {
  if (!sceneId || operation.operation !== 'mutation') return
  if (!empty.includes('sceneId') && !empty.includes('takeId')) return
  const finished = operation.selectionSet.selections.some(
    (field) => field.kind === Kind.FIELD && OF_FINISHED_SCENES.includes(field.name.value),
  )
  return { sceneId, finished, take: empty.includes('takeId') && !takeId }
}

/** Returns whether a need is met, and by which take; undefined if the message has no such scene. */
export function readiness(need: Need, job?: Job | null): { ready: boolean; status: string; takeId?: string } | undefined {
  const scene = job?.scenes.nodes.find(({ id }) => id === need.sceneId)
  if (!job || !scene) return
  // A scene of a job that does not run would never be finished: the server says what to do.
  const busy = job.status === 'PROCESSING' && ['PENDING', 'PROCESSING'].includes(scene.status)
  const takeId = takeOf(scene)
  return { ready: !busy || (!need.finished && takeId !== undefined), status: scene.status, takeId }
}

/** Returns the newest finished take other than the current one, otherwise the current one. */
function takeOf({ currentTake, takes }: Scene): string | undefined {
  const finished = takes.filter(({ status }) => status === 'COMPLETED') // newest first
  return (finished.find(({ id }) => id !== currentTake?.id) ?? finished[0])?.id
}
