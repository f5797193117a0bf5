import { Button } from '../parts/button'
import { SceneCard } from './card'
import { useJobContext } from './context'
import { useReorder } from './reorder'
import type { Job } from './types'

/** The scenes in play order, and a place to add one. */
export function SceneGrid({ job, canAdd }: { job: Job; canAdd: boolean }) {
  const { actions, openForm } = useJobContext()
  const scenes = job.scenes.nodes
  const [drag, reorder] = useReorder(scenes, actions.move)
  return (
    <section class="scenes-section" aria-label="Scenes">
      <div class="section-line">
        <h2>Scenes</h2>
        <span class="hint">{scenes.length}</span>
      </div>
      <ol class={drag ? 'scenes dragging' : 'scenes'} style={{ '--ratio': String(ratioOf(job)) }}>
        {scenes.map((scene) => (
          <SceneCard
            key={scene.id}
            scene={scene}
            jobStatus={job.status}
            jobStart={job.startedAt}
            reorder={reorder}
            drop={drag?.target?.sceneId === scene.id ? drag.target.side : undefined}
            isDragged={drag?.sceneId === scene.id}
          />
        ))}
        {canAdd && (
          <li class="card add">
            <Button label="Add a scene" icon="add" kind="quiet" onClick={() => openForm({ kind: 'add' })} />
          </li>
        )}
      </ol>
    </section>
  )
}

const TALLEST = 3 / 4

/** Returns the ratio of the boxes of a job: of its first scene, known before any clip is. High pictures get bars. */
export function ratioOf(job: Job): number {
  const first = job.scenes.nodes[0]
  const [width, height] = (first?.settings.aspectRatio ?? job.settings.aspectRatio ?? '16:9').split(':').map(Number)
  return width && height ? Math.max(TALLEST, width / height) : 16 / 9
}
