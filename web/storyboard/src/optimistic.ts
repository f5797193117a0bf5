/** Changes that are shown at once, and taken back with the reason when the server refuses them. */
import { inWords, type UserError } from './failures'
import { toast } from './parts/toast'

type Answer = { errors: UserError[] }

/**
 * Applies a change at once and sends it. When it is refused, or cannot be sent, the change is undone and the reason shown.
 *
 * `apply` shows the change and returns its undo. Resolves to whether the server accepted it; never rejects.
 */
export async function optimistic(apply: () => () => void, send: () => Promise<Answer>): Promise<boolean> {
  const undo = apply()
  try {
    const { errors } = await send()
    if (!errors.length) return true
    undo()
    toast(errors.map(({ message }) => message).join(' '), { kind: 'bad' })
  } catch (reason) {
    undo()
    toast(inWords(reason), { kind: 'bad' })
  }
  return false
}
