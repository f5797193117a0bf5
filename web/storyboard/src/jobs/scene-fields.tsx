import { useLayoutEffect, useRef } from 'preact/hooks'

import { modelOf } from '../catalogue'
import { errorsAt, type UserError } from '../failures'
import type { ModelFieldsFragment } from '../operations'
import { Button } from '../parts/button'
import { Field, type ControlProps } from '../parts/field'
import { change, changeScene, draft, newScene, promptsOf, type SceneDraft } from './draft'

/** The scenes one by one, each with its prompt and length. */
export function ScenesField({ errors }: { errors: UserError[] }) {
  const { scenes } = draft.value
  const fields = useRef<HTMLFieldSetElement>(null)
  const added = useRef<number | undefined>(undefined)
  const add = () => {
    const scene = newScene()
    added.current = scene.key
    change({ scenes: [...scenes, scene] })
  }
  // With the field itself and not later: by then the user may have gone on.
  useLayoutEffect(() => {
    fields.current?.querySelector<HTMLElement>(`[data-scene="${added.current}"] textarea`)?.focus()
    added.current = undefined
  }, [scenes])
  return (
    <fieldset class="scene-fields" ref={fields}>
      <legend>Scenes</legend>
      <Messages messages={errorsAt(errors, 'scenes')} />
      <ol>
        {scenes.map((scene, index) => (
          <SceneField key={scene.key} scene={scene} index={index} errors={errors} isOnly={scenes.length === 1} />
        ))}
      </ol>
      <Button label="Add scene" icon="add" onClick={add} />
    </fieldset>
  )
}

type Props = { scene: SceneDraft; index: number; errors: UserError[]; isOnly: boolean }

function SceneField({ scene, index, errors, isOnly }: Props) {
  const at = (...path: string[]) => errorsAt(errors, 'scenes', String(index), ...path)
  const name = `scene ${index + 1}`
  return (
    <li class="scene-field" data-scene={scene.key}>
      <span class="scene-number" aria-hidden="true">
        {index + 1}
      </span>
      <Field label={`Prompt of ${name}`} labelHidden path={`scenes.${index}`} errors={[...at('prompt'), ...at()]} class="grow">
        {(control) => (
          <textarea
            {...control}
            class="input"
            dir="auto"
            rows={2}
            placeholder="What the clip shows"
            value={scene.prompt}
            onInput={({ currentTarget }) => changeScene(scene.key, { prompt: currentTarget.value })}
          />
        )}
      </Field>
      <Field label={`Seconds of ${name}`} labelHidden path={`scenes.${index}`} errors={at('durationSeconds')} class="seconds">
        {(control) => <Duration control={control} scene={scene} />}
      </Field>
      {!isOnly && (
        <Button
          label={`Remove ${name}`}
          icon="trash"
          iconOnly
          kind="quiet"
          onClick={() => change({ scenes: draft.value.scenes.filter(({ key }) => key !== scene.key) })}
        />
      )}
    </li>
  )
}

/** A list of lengths where the model takes certain ones only, else a number of seconds. */
function Duration({ control, scene }: { control: ControlProps; scene: SceneDraft }) {
  const model = modelOf(draft.value.settings.model)
  const set = (duration: string) => changeScene(scene.key, { duration })
  if (model?.durationsSeconds) return <ListedDuration {...{ control, scene, model, set }} />
  return (
    <input
      {...control}
      class="input"
      type="number"
      step="any"
      min={model?.minDurationSeconds}
      max={model?.maxDurationSeconds}
      placeholder="Seconds"
      value={scene.duration}
      onInput={({ currentTarget }) => set(currentTarget.value)}
    />
  )
}

type ListedProps = { control: ControlProps; scene: SceneDraft; model: ModelFieldsFragment; set: (value: string) => void }

function ListedDuration({ control, scene, model, set }: ListedProps) {
  return (
    <select {...control} class="input" value={scene.duration} onChange={({ currentTarget }) => set(currentTarget.value)}>
      <option value="">Default</option>
      {model.durationsSeconds?.map((seconds) => (
        <option key={seconds} value={seconds}>
          {seconds} s
        </option>
      ))}
    </select>
  )
}

/** One prompt a line; each line is a scene. */
export function PromptsField({ errors }: { errors: UserError[] }) {
  const { pasted } = draft.value
  const count = promptsOf(pasted).length
  const hint = count === 1 ? 'One line, one scene: 1 scene' : `One line, one scene: ${count} scenes`
  return (
    <Field label="Prompts" hint={hint} path="scenes" errors={errorsOfLines(errors)}>
      {(control) => (
        <textarea
          {...control}
          class="input"
          dir="auto"
          rows={8}
          placeholder={'A lighthouse at dawn\nThe lamp turns in the fog\nA boat comes home'}
          value={pasted}
          onInput={({ currentTarget }) => change({ pasted: currentTarget.value })}
        />
      )}
    </Field>
  )
}

/** Returns the errors of scenes, each with the number of its line among those that are not empty. */
function errorsOfLines(errors: UserError[]): string[] {
  return errors.flatMap(({ path, message }) => {
    const [, field, index] = path ?? []
    if (field !== 'scenes') return []
    return index === undefined ? [message] : [`Scene ${Number(index) + 1}: ${message}`]
  })
}

function Messages({ messages }: { messages: string[] }) {
  return messages.length ? <p class="error">{messages.join(' ')}</p> : null
}
