import type { Job } from './types'

/** Where a scene is in the joined video, in seconds. */
export type Mark = { sceneId: string; number: number; start: number; end: number }

/**
 * Returns where each scene is in the joined video.
 *
 * Joining may change lengths a little, such as by a held picture, so the clips are scaled to the length of the video.
 */
export function marksOf({ scenes: { nodes }, output }: Job): Mark[] {
  const lengths = nodes.map((scene) => scene.output?.durationSeconds ?? scene.durationSeconds)
  const sum = lengths.reduce((total, length) => total + length, 0)
  const scale = output?.durationSeconds && sum ? output.durationSeconds / sum : 1
  let end = 0
  return nodes.map(({ id }, index) => {
    const start = end
    end += lengths[index]! * scale
    return { sceneId: id, number: index + 1, start, end }
  })
}
