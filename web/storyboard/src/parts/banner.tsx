import type { ComponentChildren } from 'preact'

import { Icon, type IconName } from './icon'

/** A thin line across the page, which screen readers read when it appears. */
export function Banner({ icon, tone, children }: { icon: IconName; tone: 'warn' | 'bad'; children: ComponentChildren }) {
  return (
    <div class={`banner ${tone}`} role="status">
      <Icon name={icon} />
      <span>{children}</span>
    </div>
  )
}
