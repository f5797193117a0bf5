import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'

import { Icon } from '../parts/icon'
import { positionByKey } from '../parts/position-by-key'
import { announce } from './announce'
import type { Actions } from './actions'
import type { Scene } from './types'

const SCROLL_ZONE_PX = 64
const SCROLL_STEP_PX = 12

export type Drag = { sceneId: string; target?: { sceneId: string; side: 'before' | 'after' } }
export type Reorder = {
  startDrag: (event: PointerEvent, scene: Scene) => void
  moveByKey: (event: KeyboardEvent, scene: Scene) => void
  /** Whether a scene was moved by a key last, and so keeps the focus; browsers without moveBefore() would take it. */
  keepsFocus: (sceneId: string) => boolean
}

/** Lets users reorder scenes by dragging their handle and by keys. Returns the drag that is going on, if any. */
export function useReorder(scenes: Scene[], move: Actions['move']): [Drag | undefined, Reorder] {
  const [drag, setDrag] = useState<Drag>()
  const current = useRef(scenes)
  current.current = scenes
  const movedByKey = useRef<string | undefined>(undefined)
  const stopDrag = useRef<(() => void) | undefined>(undefined)
  useEffect(() => {
    const forget = () => (movedByKey.current = undefined)
    addEventListener('pointerdown', forget)
    return () => {
      removeEventListener('pointerdown', forget)
      stopDrag.current?.()
    }
  }, [])

  const reorder = useMemo<Reorder>(
    () => ({
      startDrag(event, { id }) {
        if (event.button !== 0) return
        event.preventDefault() // no selection of text
        stopDrag.current?.()
        stopDrag.current = trackDrag(id, setDrag, (target) => {
          const position = positionAfter(current.current, id, target)
          if (position !== undefined) void move(id, position)
        })
      },
      moveByKey(event, scene) {
        const position = positionByKey(event.key, scene.position, current.current.length)
        if (position === undefined) return
        event.preventDefault()
        if (position === scene.position) return
        movedByKey.current = scene.id
        announce(`Moved to position ${position + 1} of ${current.current.length}.`)
        void move(scene.id, position)
      },
      keepsFocus: (sceneId) => movedByKey.current === sceneId,
    }),
    [move],
  )
  return [drag, reorder]
}

/** The handle by which a scene is dragged, or moved with the arrow keys, Home and End. */
export function MoveHandle({ scene, reorder }: { scene: Scene; reorder: Reorder }) {
  const handle = useRef<HTMLButtonElement>(null)
  useLayoutEffect(() => {
    if (reorder.keepsFocus(scene.id) && document.activeElement === document.body) handle.current?.focus()
  }, [scene.position])
  return (
    <button
      ref={handle}
      type="button"
      class="handle"
      aria-label={`Move scene ${scene.position + 1}: arrow keys, Home and End`}
      title="Drag, or use the arrow keys"
      onPointerDown={(event) => reorder.startDrag(event, scene)}
      onKeyDown={(event) => reorder.moveByKey(event, scene)}
    >
      <Icon name="grip" />
    </button>
  )
}

/** Returns the new position of a dropped scene; undefined when it stays where it is. */
function positionAfter(scenes: Scene[], sceneId: string, target: NonNullable<Drag['target']>): number | undefined {
  const others = scenes.filter(({ id }) => id !== sceneId)
  const at = others.findIndex(({ id }) => id === target.sceneId)
  const position = target.side === 'after' ? at + 1 : at
  return at === -1 || scenes[position]?.id === sceneId ? undefined : position
}

/** Follows the pointer until it is released (then calls `drop`) or Escape is pressed. Returns what stops it. */
function trackDrag(
  sceneId: string,
  show: (drag: Drag | undefined) => void,
  drop: (target: NonNullable<Drag['target']>) => void,
): () => void {
  const ends = new AbortController()
  const { signal } = ends
  let target: Drag['target']
  let pointer: { x: number; y: number } | undefined

  function stop() {
    ends.abort()
    show(undefined)
  }

  function update() {
    const found = pointer && targetAt(pointer.x, pointer.y, sceneId)
    if (found?.sceneId === target?.sceneId && found?.side === target?.side) return
    target = found
    show({ sceneId, target })
  }

  function scroll() {
    if (signal.aborted) return
    if (pointer && scrollAt(pointer.y)) update()
    requestAnimationFrame(scroll)
  }

  show({ sceneId })
  addEventListener('pointermove', ({ clientX: x, clientY: y }) => ((pointer = { x, y }), update()), { signal })
  addEventListener('pointerup', () => (stop(), target && drop(target)), { signal })
  addEventListener('pointercancel', stop, { signal })
  addEventListener('keydown', ({ key }) => key === 'Escape' && stop(), { signal })
  requestAnimationFrame(scroll)
  return stop
}

function targetAt(x: number, y: number, sceneId: string): Drag['target'] {
  const card = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-scene]')
  if (!card?.dataset.scene || card.dataset.scene === sceneId) return undefined
  const { left, width, top, height } = card.getBoundingClientRect()
  const isOneColumn = card.parentElement !== null && width > card.parentElement.clientWidth * 0.75
  const isFirstHalf = isOneColumn ? y < top + height / 2 : x < left + width / 2
  const isBefore = getComputedStyle(card).direction === 'rtl' && !isOneColumn ? !isFirstHalf : isFirstHalf
  return { sceneId: card.dataset.scene, side: isBefore ? 'before' : 'after' }
}

/** Scrolls the page while the pointer is near its upper or lower end; returns whether it did. */
function scrollAt(y: number): boolean {
  const main = document.querySelector('main')
  if (!main) return false
  const { top, bottom } = main.getBoundingClientRect()
  const step = y < top + SCROLL_ZONE_PX ? -SCROLL_STEP_PX : y > bottom - SCROLL_ZONE_PX ? SCROLL_STEP_PX : 0
  if (step) main.scrollBy(0, step)
  return step !== 0
}
