import { useState } from 'preact/hooks'

import { Button } from '../parts/button'
import { can } from './abilities'
import { useJobContext } from './context'
import type { Scene } from './types'

/** The buttons of a card: exactly what `availableActions` names. */
export function CardActions({ scene }: { scene: Scene }) {
  const { actions, openForm } = useJobContext()
  const [busy, run] = useBusy()
  const place = `scene ${scene.position + 1}`
  return (
    <div class="card-actions">
      {can(scene, 'REGENERATE') && (
        <Button
          label={scene.status === 'COMPLETED' ? 'Regenerate' : 'Try again'}
          aria-label={`${scene.status === 'COMPLETED' ? 'Regenerate' : 'Try again'}: ${place}`}
          icon="retry"
          busy={busy}
          onClick={() => run(() => actions.renderAgain(scene.id))}
        />
      )}
      {can(scene, 'CANCEL') && (
        <Button
          label="Cancel"
          aria-label={`Cancel ${place}`}
          icon="stop"
          busy={busy}
          onClick={() => run(() => actions.cancelScene(scene.id))}
        />
      )}
      {can(scene, 'REGENERATE') ? (
        <Button
          label={`Regenerate ${place} with changes`}
          icon="sliders"
          iconOnly
          kind="quiet"
          onClick={() => openForm({ kind: 'regenerate', scene })}
        />
      ) : (
        can(scene, 'UPDATE') && (
          <Button
            label={`Settings and inputs of ${place}`}
            icon="sliders"
            iconOnly
            kind="quiet"
            onClick={() => openForm({ kind: 'edit', scene })}
          />
        )
      )}
      {can(scene, 'DELETE') && (
        <Button
          class="last"
          label={`Delete ${place}`}
          icon="trash"
          iconOnly
          kind="quiet"
          onClick={({ currentTarget }) => {
            focusNeighbour(currentTarget)
            void actions.removeScene(scene)
          }}
        />
      )}
    </div>
  )
}

/** Keeps the focus among the scenes when the card of a button is about to go. */
function focusNeighbour(button: HTMLElement) {
  const card = button.closest('li')
  const neighbour = card?.nextElementSibling ?? card?.previousElementSibling
  neighbour?.querySelector('button')?.focus({ preventScroll: true })
}

/** Returns whether an action runs, and what runs one. */
export function useBusy(): [boolean, (action: () => Promise<unknown>) => void] {
  const [busy, setBusy] = useState(false)
  return [
    busy,
    (action) => {
      setBusy(true)
      void action().finally(() => setBusy(false))
    },
  ]
}
