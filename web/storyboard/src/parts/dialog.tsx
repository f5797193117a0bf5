import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef } from 'preact/hooks'

import { Button } from './button'

type Props = {
  title: string
  onClose: () => void
  /** CSS selector of all buttons that open it: one may replace the other while it is open. */
  openers?: string
  children: ComponentChildren
}

/** A window over the page. Escape and a click beside it close it; the focus returns to where it was. */
export function Dialog(props: Props) {
  return <Modal kind="dialog" {...props} />
}

/** Details at the edge of the page, over the whole page on a phone. Escape closes it; the focus returns to where it was. */
export function Drawer(props: Props) {
  return <Modal kind="drawer" {...props} />
}

/** Focuses the first of these that is still on the page, so that the next Tab does not begin at its top. */
function focusFirst(...candidates: unknown[]) {
  for (const each of candidates) {
    if (!(each instanceof HTMLElement) || !each.isConnected || each === document.body) continue
    each.focus({ preventScroll: true })
    if (document.activeElement === each) return
  }
}

function Modal({ kind, title, onClose, openers, children }: Props & { kind: 'dialog' | 'drawer' }) {
  const element = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useLayoutEffect(() => {
    const before = document.activeElement
    const dialog = element.current
    dialog?.showModal()
    dialog?.querySelector<HTMLElement>('[data-autofocus]')?.focus()
    return () => {
      dialog?.close()
      focusFirst(before, openers && document.querySelector(openers), document.querySelector('main'))
    }
  }, [])
  return (
    <dialog
      ref={element}
      class={kind}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault() // the owner closes it
        if (event.target === element.current) onClose()
      }}
      onMouseDown={(event) => event.target === element.current && onClose()}
    >
      <div class="modal-body">
        <header>
          <h2 id={heading} dir="auto">
            {title}
          </h2>
          <Button label="Close" icon="cancel" iconOnly kind="quiet" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  )
}
