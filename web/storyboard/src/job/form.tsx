import { useEffect, useState } from 'preact/hooks'

import { modelsOf, readCatalogue } from '../catalogue'
import { request } from '../client'
import { errorsAt, inWords, type UserError } from '../failures'
import { OrderFormDocument, type OrderFormQuery, type RenderSettingsInput } from '../operations'
import { Button } from '../parts/button'
import { Dialog } from '../parts/dialog'
import { Field } from '../parts/field'
import { Choice, SettingsFields } from '../parts/settings-fields'
import { MAX_PROMPT_LENGTH } from './card'
import { useJobContext, type OpenForm } from './context'
import { Errors } from './errors'
import { inputsOf, itemOf } from './inputs'
import { InputsField } from './inputs-field'
import { LengthField } from './length-field'
import { editable, modelFor, toSend } from './order'
import type { Job, Model, NewScene } from './types'
import { unplaced } from './unplaced'
import { useUploads } from './use-uploads'

type Props = { form: OpenForm; job: Job; onClose: () => void }
type Loaded = Partial<OrderFormQuery>

const TITLES = { add: 'Add a scene', edit: 'Settings and inputs', regenerate: 'Regenerate with changes' }
const VERBS = { add: 'Add the scene', edit: 'Save', regenerate: 'Regenerate' }

/** The form of a new scene, of what the next take of a scene is made with, or of a new take. */
export function SceneForm({ form, job, onClose }: Props) {
  const [loaded, failure] = useLoaded(form)
  const title = form.kind === 'add' ? TITLES.add : `${TITLES[form.kind]}: scene ${form.scene.position + 1}`
  return (
    <Dialog title={title} onClose={onClose}>
      {failure && <Errors errors={[failure]} />}
      {loaded && <Fields {...{ form, job, onClose, loaded }} />}
      {!loaded && !failure && <div class="form-loading" role="status" aria-label="The form is loading" />}
    </Dialog>
  )
}

function useLoaded(form: OpenForm): [Loaded?, string?] {
  const [loaded, setLoaded] = useState<Loaded>()
  const [failure, setFailure] = useState<string>()
  useEffect(() => {
    const ends = new AbortController()
    const { signal } = ends
    const scene = form.kind === 'add' ? {} : request(OrderFormDocument, { sceneId: form.scene.id }, { signal })
    Promise.all([scene, readCatalogue()]).then(
      ([found]) => setLoaded(found),
      (reason) => signal.aborted || setFailure(inWords(reason)),
    )
    return () => ends.abort()
  }, [])
  return [loaded, failure]
}

function Fields({ form, job, onClose, loaded }: Props & { loaded: Loaded }) {
  const models = modelsOf(job.provider)
  const [prompt, setPrompt] = useState(form.kind === 'add' ? '' : form.scene.prompt)
  const [length, setLength] = useState<number | null>(form.kind === 'add' ? null : form.scene.durationSeconds)
  const [settings, setSettings] = useState(() => editable(loaded.scene?.ownSettings))
  const [errors, setErrors] = useState<UserError[]>([])
  const [busy, setBusy] = useState(false)
  const uploads = useUploads()
  const model = modelFor(models, settings.model, job.settings.model)
  const send = useSend(form)
  const path = form.kind === 'add' ? ['scene'] : []
  const position = form.kind === 'add' ? job.scenes.nodes.length : form.scene.position
  useEffect(() => {
    uploads.set(() => loaded.scene?.inputs.map(itemOf) ?? [])
    if (form.kind !== 'add' && form.files) uploads.add(form.files, model)
  }, [])

  async function onSubmit(event: Event) {
    event.preventDefault()
    if (busy || uploads.isBusy) return
    setBusy(true)
    const order = { prompt: prompt.trim(), settings: toSend(settings, model, job.settings.model), inputs: inputsOf(uploads.items) }
    const refused = await send({ ...order, durationSeconds: length })
    setBusy(false)
    if (refused.length) setErrors(refused)
    else onClose()
  }

  return (
    <form class="scene-form" noValidate onSubmit={(event) => void onSubmit(event)}>
      <PromptField {...{ prompt, setPrompt, model }} errors={errorsAt(errors, ...path, 'prompt')} />
      <InputsField {...{ uploads, model, errors }} path={[...path, 'inputs']} before={job.scenes.nodes[position - 1]} />
      <div class="field-row">
        <ModelField {...{ models, settings, setSettings }} errors={errorsAt(errors, ...path, 'settings', 'model')} />
        {form.kind !== 'regenerate' && (
          <LengthField {...{ length, setLength, model }} errors={errorsAt(errors, ...path, 'durationSeconds')} />
        )}
      </div>
      <SettingsFields {...{ model, errors }} value={settings} onChange={setSettings} path={[...path, 'settings']} />
      <Errors errors={unplaced(errors, path)} />
      <footer class="form-actions">
        <Button label="Cancel" kind="quiet" onClick={onClose} />
        <Button
          type="submit"
          kind="primary"
          label={uploads.isBusy ? 'Uploading' : VERBS[form.kind]}
          busy={busy || uploads.isBusy}
        />
      </footer>
    </form>
  )
}

/** Returns what sends the form; it resolves to the errors. */
function useSend(form: OpenForm): (order: NewScene) => Promise<UserError[]> {
  const { actions } = useJobContext()
  return ({ durationSeconds, ...order }) => {
    switch (form.kind) {
      case 'add':
        return actions.add({ ...order, durationSeconds })
      case 'edit':
        return actions.update(form.scene.id, { ...order, durationSeconds: durationSeconds ?? undefined })
      case 'regenerate':
        return actions.regenerate(form.scene.id, order)
    }
  }
}

type PromptProps = { prompt: string; setPrompt: (prompt: string) => void; model: Model | null; errors: string[] }

function PromptField({ prompt, setPrompt, model, errors }: PromptProps) {
  return (
    <Field label="Prompt" errors={errors}>
      {(control) => (
        <textarea
          {...control}
          class="input"
          dir="auto"
          rows={4}
          autofocus
          placeholder="What the clip shows"
          maxLength={model?.maxPromptLength ?? MAX_PROMPT_LENGTH}
          value={prompt}
          onInput={({ currentTarget }) => setPrompt(currentTarget.value)}
        />
      )}
    </Field>
  )
}

type ModelProps = {
  models: Model[]
  settings: RenderSettingsInput
  setSettings: (settings: RenderSettingsInput) => void
  errors: string[]
}

function ModelField({ models, settings, setSettings, errors }: ModelProps) {
  if (!models.length) return null
  return (
    <Choice
      label="Model"
      value={settings.model}
      choices={models.map(({ id, name, available }) => [id, available ? name : `${name} (not available)`])}
      errors={errors}
      onChange={(model) => setSettings({ ...settings, model, options: null })}
    />
  )
}
