import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { useEffect, useRef } from 'react'

import { bearerIn, setAuthorization, useAccess } from './access'

const DEBOUNCE_MS = 500

/**
 * Takes the token from the Headers editor of the open tab. Without one there it keeps the current token as long as any tab
 * has it, and otherwise takes that of another tab. Loads the docs with the first valid token.
 */
export function Headers() {
  const { tabs, activeTabIndex, schema } = useGraphiQL(pick('tabs', 'activeTabIndex', 'schema'))
  const { introspect } = useGraphiQLActions()
  const { authorization } = useAccess()
  const tokens = tabs.map((tab) => authorizationIn(tab.headers))
  const typed = tokens[activeTabIndex] ?? tokens.find((token) => token === authorization) ?? tokens.find(Boolean)

  const delay = useRef(0) // the token of a reopened page is used without delay
  useEffect(() => {
    const timer = setTimeout(() => setAuthorization(typed), delay.current)
    delay.current = DEBOUNCE_MS
    return () => clearTimeout(timer)
  }, [typed])

  useEffect(() => {
    if (authorization && !schema) void introspect()
  }, [authorization]) // not [schema]: a repeated introspection would fail in the same way
  return null
}

function authorizationIn(text?: string | null) {
  try {
    return bearerIn(JSON.parse(text ?? ''))
  } catch {
    return undefined // incomplete JSON while typing
  }
}
