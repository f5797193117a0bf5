import type { Job, Scene } from './types'

export type Abilities = { start: boolean; cancel: boolean; retryFailed: boolean; remove: boolean; edit: boolean }

/**
 * Returns what the user may do to a job now.
 *
 * Read from `availableActions` of its scenes, which take rights and status into account. A job without scenes names
 * none: then the server decides.
 */
export function abilitiesOf(job: Job): Abilities {
  const { nodes } = job.scenes
  const isRunning = job.status === 'PROCESSING'
  const edit = !job.deletedAt && (nodes.length === 0 || nodes.some((scene) => can(scene, 'UPDATE')))
  return {
    edit,
    start: edit && job.status === 'PENDING' && nodes.length > 0,
    cancel: isRunning && nodes.some((scene) => can(scene, 'CANCEL')),
    retryFailed: nodes.some((scene) => scene.status === 'FAILED' && can(scene, 'REGENERATE')),
    remove: edit && !isRunning,
  }
}

/** Returns whether the user may do something to a scene now. */
export function can({ availableActions }: Scene, action: Scene['availableActions'][number]): boolean {
  return availableActions.includes(action)
}
