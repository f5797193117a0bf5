import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react'
import { useEffect, useRef } from 'react'

import { authorizationAmong, present, useAccess } from './access'

const PAUSE_MS = 500 // a token is typed letter by letter

/** Presents the token under Headers: the open tab's or else another's. With the first that is right, the docs come. */
export function Headers() {
  const { tabs, activeTabIndex, schema } = useGraphiQL(pick('tabs', 'activeTabIndex', 'schema'))
  const { introspect } = useGraphiQLActions()
  const { authorization } = useAccess()
  const opened = tabs[activeTabIndex]
  const typed = [opened, ...tabs].map((tab) => authorizationIn(tab?.headers)).find(Boolean)

  const pause = useRef(0)
  useEffect(() => {
    const timer = setTimeout(() => present(typed), pause.current)
    pause.current = PAUSE_MS
    return () => clearTimeout(timer)
  }, [typed])

  useEffect(() => {
    if (authorization && !schema) void introspect()
  }, [authorization]) // not [schema]: asking again would not change the answer
  return null
}

function authorizationIn(text?: string | null) {
  try {
    return authorizationAmong(JSON.parse(text ?? ''))
  } catch {
    return undefined // half typed
  }
}
