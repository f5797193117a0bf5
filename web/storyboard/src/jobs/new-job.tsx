import { signal } from '@preact/signals'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'

import { modelOf, readCatalogue } from '../catalogue'
import { request } from '../client'
import { errorsAt, inWords, type UserError } from '../failures'
import { CreateJobDocument } from '../operations'
import { show } from '../page'
import { Button } from '../parts/button'
import { Dialog } from '../parts/dialog'
import { Field } from '../parts/field'
import { SettingsFields } from '../parts/settings-fields'
import { change, clearDraft, draft, inputOf } from './draft'
import { ModelField } from './model-field'
import { PromptsField, ScenesField } from './scene-fields'
import { list } from './state'

const isOpen = signal(false)

/** Opens the form of a new job. */
export function openNewJob() {
  isOpen.value = true
  void readCatalogue(true)
}

/** The form of a new job, when it is open. */
export function NewJobDialog() {
  if (!isOpen.value) return null
  return (
    <Dialog title="New job" openers="[data-opens='new-job']" onClose={() => (isOpen.value = false)}>
      <NewJobForm />
    </Dialog>
  )
}

function NewJobForm() {
  const { title, way, settings, start } = draft.value
  const form = useRef<HTMLFormElement>(null)
  const { errors, attempts, isSending, submit, drop } = useSubmit()
  useLayoutEffect(() => {
    const invalid = form.current?.querySelector<HTMLElement>('[aria-invalid], .error')
    const folded = invalid?.closest('details')
    if (folded) folded.open = true
    invalid?.focus()
  }, [attempts])
  return (
    <form class="new-job" ref={form} onSubmit={submit} onInput={drop}>
      <General errors={errors} />
      <Field label="Title" path="title" errors={errorsAt(errors, 'title')}>
        {(control) => (
          <input
            {...control}
            class="input"
            dir="auto"
            data-autofocus
            autoComplete="off"
            value={title}
            onInput={({ currentTarget }) => change({ title: currentTarget.value })}
          />
        )}
      </Field>
      <Ways />
      {way === 'form' ? <ScenesField errors={errors} /> : <PromptsField errors={errors} />}
      <ModelField errors={errors} />
      <details class="settings">
        <summary>Settings</summary>
        <div>
          <SettingsFields
            model={modelOf(settings.model)}
            value={settings}
            errors={errors}
            path={['settings']}
            onChange={(next) => change({ settings: next })}
          />
        </div>
      </details>
      <footer>
        <label class="check">
          <input type="checkbox" checked={start} onChange={({ currentTarget }) => change({ start: currentTarget.checked })} />
          Start now
        </label>
        <Button type="submit" kind="primary" label={start ? 'Create and start' : 'Create'} busy={isSending} />
      </footer>
    </form>
  )
}

/** Sends the draft. The error of a field stays until the field changes. */
function useSubmit() {
  const [errors, setErrors] = useState<UserError[]>([])
  const [attempts, setAttempts] = useState(0)
  const [isSending, setSending] = useState(false)
  const key = useRef({ of: '', is: '' })
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    if (isSending) return
    setSending(true)
    const input = inputOf(draft.value)
    const text = JSON.stringify(input)
    // A repeated attempt after a lost answer must not make a second job; another input is another job.
    if (key.current.of !== text) key.current = { of: text, is: randomKey() }
    try {
      const { createJob } = await request(CreateJobDocument, { input: { ...input, idempotencyKey: key.current.is } })
      if (createJob.job) finish(createJob.job)
      else setErrors(createJob.errors)
    } catch (reason) {
      setErrors([{ code: 'FAILED', message: inWords(reason), path: null }])
    }
    setSending(false)
    setAttempts((before) => before + 1)
  }
  const drop = ({ target }: Event) => {
    const changed = (target as Element).closest<HTMLElement>('[data-path]')?.dataset.path
    if (changed) setErrors((before) => before.filter((error) => !isBelow(error, changed)))
  }
  return { errors, attempts, isSending, submit, drop }
}

function isBelow({ path }: UserError, place: string): boolean {
  return `${path?.join('.')}.`.startsWith(`input.${place}.`)
}

type MadeJob = Parameters<NonNullable<typeof list.value>['accept']>[0]

function finish(job: MadeJob) {
  list.value?.accept(job)
  clearDraft()
  isOpen.value = false
  show(job.id)
}

/** `crypto.randomUUID` needs https or this machine. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((each) => each.toString(36)).join('-')
}

const WAYS = [
  ['form', 'Scene by scene'],
  ['paste', 'Paste prompts'],
] as const

function Ways() {
  return (
    <fieldset class="ways" data-path="scenes">
      <legend class="visually-hidden">How to write the scenes</legend>
      {WAYS.map(([value, words]) => (
        <label key={value}>
          <input
            type="radio"
            name="way"
            checked={draft.value.way === value}
            onChange={() => change({ way: value })}
          />
          {words}
        </label>
      ))}
    </fieldset>
  )
}

const FIELDS = /^input\.(title$|scenes|provider$|settings)/

/** Errors that belong to no field. */
function General({ errors }: { errors: UserError[] }) {
  const others = errors.filter(({ path }) => !FIELDS.test(path?.join('.') ?? ''))
  if (!others.length) return null
  return (
    <p class="form-error" role="alert">
      {others.map(({ message }) => message).join(' ')}
    </p>
  )
}
