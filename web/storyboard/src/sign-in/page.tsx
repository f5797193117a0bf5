import { useLayoutEffect, useRef, useState } from 'preact/hooks'

import { Button } from '../parts/button'
import { Field } from '../parts/field'
import { Icon } from '../parts/icon'
import { refusal, setToken, signIn } from '../session'

/** Stands in place of everything while the user is signed out. */
export function SignInPage() {
  return (
    <main class="sign-in">
      <section>
        <Icon name="film" size={32} />
        <h1>Scenewire</h1>
        {signIn === 'oidc' ? <AtIssuer /> : <WithToken />}
      </section>
    </main>
  )
}

function WithToken() {
  const [text, setText] = useState('')
  const input = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => input.current?.focus(), [])
  const [missing, setMissing] = useState(false)
  const errors = missing ? ['Paste a token.'] : refusal.value ? [refusal.value] : []
  const use = (event: SubmitEvent) => {
    event.preventDefault()
    const value = text.trim().replace(/^bearer +/i, '')
    setMissing(!value)
    if (value) setToken(value)
  }
  return (
    <form onSubmit={use}>
      <Field label="Token" hint="Kept until this tab is closed." errors={errors}>
        {(control) => (
          <input
            {...control}
            ref={input}
            class="input"
            type="password"
            autoComplete="off"
            spellcheck={false}
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        )}
      </Field>
      <Button class="big" type="submit" label="Sign in" kind="primary" />
    </form>
  )
}

function AtIssuer() {
  const [isGoing, setGoing] = useState(false)
  const go = async () => {
    setGoing(true)
    refusal.value = undefined
    try {
      await (await import('./oidc')).start()
    } catch {
      refusal.value = 'The issuer cannot be reached. Try again.'
      setGoing(false)
    }
  }
  return (
    <>
      {refusal.value && (
        <p class="error" role="alert">
          {refusal.value}
        </p>
      )}
      <Button class="big" label="Sign in" icon="user" kind="primary" busy={isGoing} onClick={() => void go()} />
    </>
  )
}
