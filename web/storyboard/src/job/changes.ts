import type { Job, Scene, SceneEdit } from './types'

/** Returns the job with some fields of one scene replaced; those that are null or left out stay. */
export function withScene(job: Job, sceneId: string, edit: Pick<SceneEdit, 'title' | 'prompt' | 'durationSeconds'>): Job {
  const given = Object.fromEntries(Object.entries(edit).filter(([, value]) => value != null))
  return withScenes(job, (scenes) => scenes.map((each) => (each.id === sceneId ? { ...each, ...given } : each)))
}

/** Returns the job with a scene at another 0-based position; those in between move by one. */
export function withMovedScene(job: Job, sceneId: string, position: number): Job {
  return withScenes(job, (scenes) => {
    const moved = scenes.find(({ id }) => id === sceneId)
    return moved ? scenes.filter((each) => each !== moved).toSpliced(position, 0, moved) : scenes
  })
}

/** Returns the job without a scene. */
export function withoutScene(job: Job, sceneId: string): Job {
  return withScenes(job, (scenes) => scenes.filter(({ id }) => id !== sceneId))
}

function withScenes(job: Job, change: (scenes: Scene[]) => Scene[]): Job {
  const nodes = change(job.scenes.nodes).map((each, position) =>
    each.position === position ? each : { ...each, position },
  )
  return { ...job, scenes: { ...job.scenes, nodes } }
}
