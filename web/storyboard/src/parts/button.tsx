import type { ButtonHTMLAttributes, Ref } from 'preact'

import { Icon, type IconName } from './icon'

type Props = Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'icon' | 'label'> & {
  /** The words of the button, or with `iconOnly` its name for screen readers and as tooltip. */
  label: string
  icon?: IconName
  kind?: 'plain' | 'primary' | 'quiet' | 'danger'
  iconOnly?: boolean
  /** Shows a spinner and ignores clicks, but keeps the focus. */
  busy?: boolean
  buttonRef?: Ref<HTMLButtonElement>
}

/** A button of at least 32 px height with words, an icon or both. */
export function Button({ label, icon, kind = 'plain', iconOnly, busy, buttonRef, class: extra, onClick, ...rest }: Props) {
  const names = ['button', kind, iconOnly ? 'icon-only' : '', extra ?? ''].filter(Boolean).join(' ')
  return (
    <button
      type="button"
      class={names}
      ref={buttonRef}
      aria-disabled={busy || undefined}
      aria-label={iconOnly ? label : undefined}
      title={iconOnly ? label : undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      {...rest}
    >
      {busy ? <Icon name="spinner" /> : icon && <Icon name={icon} />}
      {!iconOnly && <span>{label}</span>}
    </button>
  )
}
