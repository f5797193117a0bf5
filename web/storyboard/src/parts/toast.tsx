import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

import { Button } from './button'
import { Icon } from './icon'

type Options = {
  kind?: 'plain' | 'bad'
  /** What "Undo" does; without it there is no such button. */
  undo?: () => void
}
type Toast = Options & { id: number; text: string }

const SHOWN_MS = 8_000
const toasts = signal<Toast[]>([])
let last = 0

/** Shows a message for 8 s, with "Undo" where there is one. */
export function toast(text: string, options: Options = {}) {
  toasts.value = [...toasts.value.slice(-2), { ...options, id: ++last, text }]
}

function dismiss(id: number) {
  toasts.value = toasts.value.filter((each) => each.id !== id)
}

/** The messages, newest last; the page has one. Screen readers read each when it appears. */
export function Toasts() {
  return (
    <div class="toasts" role="log" aria-label="Messages" aria-live="polite">
      {toasts.value.map((each) => (
        <ToastLine key={each.id} {...each} />
      ))}
    </div>
  )
}

/** Stays while the pointer or the focus is on it. */
function ToastLine({ id, text, kind = 'plain', undo }: Toast) {
  const held = useRef(false)
  useEffect(() => {
    let left = SHOWN_MS
    const timer = setInterval(() => {
      if (!held.current && (left -= 500) <= 0) dismiss(id)
    }, 500)
    return () => clearInterval(timer)
  }, [id])
  const hold = (is: boolean) => () => (held.current = is)
  return (
    <div
      class={`toast ${kind}`}
      onMouseEnter={hold(true)}
      onMouseLeave={hold(false)}
      onFocusIn={hold(true)}
      onFocusOut={hold(false)}
    >
      {kind === 'bad' && <Icon name="warn" />}
      <span dir="auto">{text}</span>
      {undo && (
        <Button
          label="Undo"
          icon="undo"
          kind="quiet"
          onClick={() => {
            dismiss(id)
            undo()
          }}
        />
      )}
      <Button label="Dismiss" icon="cancel" iconOnly kind="quiet" onClick={() => dismiss(id)} />
    </div>
  )
}
