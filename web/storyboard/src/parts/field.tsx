import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

import { Icon } from './icon'

/** What a control needs so that its label, hint and errors belong to it. */
export type ControlProps = { id: string; 'aria-invalid'?: true; 'aria-describedby'?: string }

type Props = {
  label: string
  hint?: string
  /** Why the server refused the value. */
  errors?: string[]
  /** Where the value is in the input, such as "scenes.0": a form drops these errors when the control changes. */
  path?: string
  /** The label is for screen readers only. */
  labelHidden?: boolean
  class?: string
  children: (control: ControlProps) => ComponentChildren
}

/** A labelled control with its hint, and its errors below it. */
export function Field({ label, hint, errors = [], path, labelHidden, class: extra = '', children }: Props) {
  const id = useId()
  const described = [hint && `${id}-hint`, errors.length && `${id}-errors`].filter(Boolean).join(' ')
  const control: ControlProps = {
    id,
    'aria-invalid': errors.length ? true : undefined,
    'aria-describedby': described || undefined,
  }
  return (
    <div class={`field ${extra}`} data-path={path}>
      <label for={id} class={labelHidden ? 'visually-hidden' : undefined}>
        {label}
      </label>
      {children(control)}
      {hint && <small id={`${id}-hint`}>{hint}</small>}
      {errors.length > 0 && (
        <span class="error" id={`${id}-errors`}>
          <Icon name="warn" />
          <span>{errors.join(' ')}</span>
        </span>
      )}
    </div>
  )
}
