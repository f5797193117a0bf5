import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { useLayoutEffect } from 'react'

/**
 * Names the tabs in words, and gives each one element with the role of a tab: GraphiQL shows the name of the operation, and
 * puts two buttons into the tab, which screen readers then cannot reach. The key Delete closes a tab.
 */
export function TabBar() {
  const { tabs, activeTabIndex } = useGraphiQL(pick('tabs', 'activeTabIndex'))
  const { closeTab } = useGraphiQLActions()
  useLayoutEffect(() => {
    tabs.forEach(({ title }, index) => {
      const button = document.getElementById(`graphiql-session-tab-${index}`)
      if (button) nameTab(button, inWords(title), index === activeTabIndex)
    })
  }) // each time: React writes the attributes of the tabs that changed
  useLayoutEffect(() => {
    const active = document.getElementById(`graphiql-session-tab-${activeTabIndex}`)
    active?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [activeTabIndex])
  useLayoutEffect(() => {
    const onKeyDown = ({ key, target }: KeyboardEvent) => {
      const index = /^graphiql-session-tab-(\d+)$/.exec((target as Element).id)?.[1]
      if (key === 'Delete' && index && tabs.length > 1) closeTab(Number(index))
    }
    document.addEventListener('keydown', onKeyDown)
    return () => document.removeEventListener('keydown', onKeyDown)
  }, [tabs.length, closeTab])
  return null
}

function nameTab(button: HTMLElement, name: string, active: boolean) {
  const item = button.parentElement!
  item.setAttribute('role', 'presentation')
  item.removeAttribute('aria-selected')
  button.setAttribute('role', 'tab')
  button.setAttribute('aria-selected', String(active))
  button.title = name
  if (button.firstChild) button.firstChild.nodeValue = name // React keeps this text node
  const close = item.querySelector('.graphiql-tab-close')
  close?.setAttribute('aria-hidden', 'true')
  close?.setAttribute('tabindex', '-1')
}

/** Returns a name such as "CreateAndStartJob" as "Create and start job". */
export function inWords(name: string): string {
  if (name === '<untitled>') return 'Untitled'
  const words = name.replace(/[_\s]+/g, ' ').replace(/([a-z0-9])([A-Z])/g, '$1 $2').trim()
  return words.charAt(0).toUpperCase() + words.slice(1).replace(/\b[A-Z](?=[a-z])/g, (letter) => letter.toLowerCase())
}
