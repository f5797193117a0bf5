import { memo } from 'preact/compat'
import { useState } from 'preact/hooks'

import { Icon } from '../parts/icon'
import { ProgressBar } from '../parts/progress'
import { SceneStatusWord } from '../parts/status'
import { inClock } from '../parts/time'
import { can } from './abilities'
import { CardActions } from './card-actions'
import { useJobContext } from './context'
import { FailureNote } from './failure'
import { InPlace } from './in-place'
import { Picture, prefersStillness } from './picture'
import { MoveHandle, type Reorder } from './reorder'
import { SceneTimes } from './times'
import type { Job, Scene } from './types'
import { nameOf, stageOf } from './words'

export const MAX_PROMPT_LENGTH = 4_000

type Props = {
  scene: Scene
  jobStatus: Job['status']
  jobStart: string | null
  reorder: Reorder
  /** Where a scene that is being dragged would be put. */
  drop?: 'before' | 'after'
  isDragged: boolean
}

/** One scene. It is rendered again only when something of it changes, not with each message about the job. */
export const SceneCard = memo(function SceneCard({ scene, jobStatus, jobStart, reorder, drop, isDragged }: Props) {
  const { openForm } = useJobContext()
  const [isActive, setActive] = useState(false)
  const [isFileOver, setFileOver] = useState(false)
  const orderKind = can(scene, 'REGENERATE') ? 'regenerate' : can(scene, 'UPDATE') ? 'edit' : undefined

  function onDrop(event: DragEvent) {
    setFileOver(false)
    const files = [...(event.dataTransfer?.files ?? [])]
    if (!files.length || !orderKind) return
    event.preventDefault()
    openForm({ kind: orderKind, scene, files })
  }

  function onDragOver(event: DragEvent) {
    if (!orderKind || !event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    setFileOver(true)
  }

  const names = ['card', isDragged && 'dragged', drop && `drop-${drop}`, isFileOver && 'file-over']
  return (
    <li
      class={names.filter(Boolean).join(' ')}
      data-scene={scene.id}
      onMouseEnter={() => setActive(true)}
      onMouseLeave={() => setActive(false)}
      onFocusIn={() => setActive(true)}
      onFocusOut={() => setActive(false)}
      {...{ onDrop, onDragOver }}
      onDragLeave={() => setFileOver(false)}
    >
      <article aria-label={nameOf(scene)}>
        <Screen scene={scene} isActive={isActive} />
        <div class="progress-row">
          {scene.status === 'PROCESSING' && (
            <ProgressBar percentage={scene.percentage} label={`Progress of scene ${scene.position + 1}`} />
          )}
        </div>
        <div class="card-body">
          <div class="card-line">
            {can(scene, 'MOVE') && <MoveHandle scene={scene} reorder={reorder} />}
            <h3 dir="auto">{scene.title ?? `Scene ${scene.position + 1}`}</h3>
            <SceneStatusWord status={scene.status} stage={stageOf(scene, jobStatus)} />
          </div>
          <SceneTimes {...{ scene, jobStatus, jobStart }} />
          <Prompt scene={scene} />
          {scene.failure && <FailureNote failure={scene.failure} isRetried={scene.nextAttemptAt !== null} />}
          <CardActions scene={scene} />
        </div>
      </article>
    </li>
  )
})

/** The picture of a scene, which opens its details; on hover or focus it moves. */
function Screen({ scene, isActive }: { scene: Scene; isActive: boolean }) {
  const { openDetails } = useJobContext()
  const { poster, preview } = scene
  const isLive = scene.status === 'PROCESSING'
  const moves = isActive && !isLive && !prefersStillness()
  return (
    <div class="screen-frame">
      <button
        type="button"
        class="screen"
        aria-label={`Details of scene ${scene.position + 1}`}
        onClick={() => openDetails(scene.id)}
      >
        <Icon name="film" size={24} />
        <Picture media={isLive ? preview : poster} alt="" />
        {moves && preview && <Picture class="moving" media={preview} alt="" />}
      </button>
      <span class="badge number" aria-hidden="true">
        {scene.position + 1}
      </span>
      <span class="badge length">{inClock(scene.output?.durationSeconds ?? scene.durationSeconds)}</span>
    </div>
  )
}

/** The prompt, edited in place; says when the clip was made from another one. */
function Prompt({ scene }: { scene: Scene }) {
  const { actions } = useJobContext()
  const { id, position, prompt, currentTake, status } = scene
  const isNewer = status === 'COMPLETED' && currentTake !== null && currentTake.prompt !== prompt
  if (!can(scene, 'UPDATE')) {
    return (
      <p class="prompt" dir="auto">
        {prompt}
      </p>
    )
  }
  return (
    <div class="prompt">
      <div dir="auto">
        <InPlace
          value={prompt}
          label={`Prompt of scene ${position + 1}`}
          maxLength={MAX_PROMPT_LENGTH}
          multiline
          save={(text) => actions.edit(id, { prompt: text })}
        />
      </div>
      {isNewer && <p class="hint">Edited since this clip was made</p>}
    </div>
  )
}
