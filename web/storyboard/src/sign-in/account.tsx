import { useEffect, useState } from 'preact/hooks'

import { request } from '../client'
import { ViewerDocument } from '../operations'
import { addressOf } from '../page'
import { Button } from '../parts/button'
import { forgetToken, signIn, token } from '../session'

/** The name of the user and "Sign out"; nothing in development, where there are no users. */
export function Account() {
  const [name, setName] = useState('')
  const current = token.value
  useEffect(() => {
    if (signIn === 'none' || current === undefined) return
    request(ViewerDocument, {})
      .then(({ viewer }) => setName(viewer.name))
      .catch(() => undefined) // the list says why; a name is not worth an error
  }, [current === undefined])
  if (signIn === 'none' || current === undefined) return null
  return (
    <span class="account">
      <span class="account-name" dir="auto" title={name}>
        {name}
      </span>
      <Button label="Sign out" icon="sign-out" iconOnly kind="quiet" onClick={() => void signOut()} />
    </span>
  )
}

/** Leaves the page, or reloads it: no connection of this user, and nothing shown to them, may stay for the next. */
async function signOut() {
  const address = signIn === 'oidc' ? await (await import('./oidc')).signOut() : undefined
  forgetToken()
  location.replace(address ?? addressOf(null))
}
