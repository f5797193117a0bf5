import { useRef, useState } from 'preact/hooks'

import { errorsAt, type UserError } from '../failures'
import { Button } from '../parts/button'
import { Icon } from '../parts/icon'
import { ProgressBar } from '../parts/progress'
import { Errors } from './errors'
import { nextKey, ROLE_WORDS, rolesFor, type Item, type Role } from './inputs'
import { Picture } from './picture'
import type { Model, Scene } from './types'
import type { Uploads } from './use-uploads'

const FIELDS = ['role', 'assetId', 'takeId', 'atSeconds', 'name']

type Props = {
  uploads: Uploads
  model: Model | null
  /** The scene before this one, from whose last picture this one can begin. */
  before?: Scene
  errors: UserError[]
  /** Where the inputs are in the input of the mutation. */
  path: string[]
}

/** The files that a clip is made from: dropped, pasted or chosen, each with what it is to the clip. */
export function InputsField({ uploads, model, before, errors, path }: Props) {
  const { items, add, remove, set } = uploads
  const [isOver, setOver] = useState(false)
  const picker = useRef<HTMLInputElement>(null)
  if (model && !model.roles.length) {
    return items.length ? <ItemList {...{ items, model, remove, set, errors, path }} /> : null
  }
  const addAll = (files: FileList | null | undefined) => files?.length && add([...files], model)

  function onDrop(event: DragEvent) {
    event.preventDefault()
    setOver(false)
    addAll(event.dataTransfer?.files)
  }

  return (
    <fieldset class="inputs" onPaste={({ clipboardData }) => addAll(clipboardData?.files)}>
      <legend>Made from</legend>
      <ItemList {...{ items, model, remove, set, errors, path }} />
      <div
        class={isOver ? 'drop-zone over' : 'drop-zone'}
        onDragOver={(event) => (event.preventDefault(), setOver(true))}
        onDragLeave={() => setOver(false)}
        onDrop={onDrop}
      >
        <Icon name="upload" />
        <span>Drop pictures, video or sound here</span>
        <Button label="Choose files" onClick={() => picker.current?.click()} />
        {canBeginWhere(before, model, items) && (
          <Button
            label={`Begin where scene ${before!.position + 1} ends`}
            onClick={() => set((all) => [...all, lastPictureOf(before!)])}
          />
        )}
      </div>
      <input
        ref={picker}
        type="file"
        hidden
        multiple
        accept="image/png,image/jpeg,image/webp,video/*,audio/*"
        aria-label="Files"
        onChange={({ currentTarget }) => {
          addAll(currentTarget.files)
          currentTarget.value = ''
        }}
      />
      <Errors errors={errorsAt(errors, ...path)} />
    </fieldset>
  )
}

function canBeginWhere(before: Scene | undefined, model: Model | null, items: Item[]): boolean {
  const takesIt = rolesFor('IMAGE', model).includes('FIRST_FRAME') && !items.some(({ role }) => role === 'FIRST_FRAME')
  return takesIt && before?.status === 'COMPLETED' && before.currentTake !== null
}

function lastPictureOf(scene: Scene): Item {
  return {
    key: nextKey(),
    role: 'FIRST_FRAME',
    name: null,
    label: `End of scene ${scene.position + 1}`,
    kind: 'IMAGE',
    poster: scene.poster,
    takeId: scene.currentTake?.id,
    atSeconds: null,
  }
}

type ListProps = Pick<Uploads, 'items' | 'remove' | 'set'> & Pick<Props, 'model' | 'errors' | 'path'>

function ItemList({ items, model, remove, set, errors, path }: ListProps) {
  if (!items.length) return null
  const setRole = (key: string, role: Role) =>
    set((all) => all.map((each) => (each.key === key ? { ...each, role } : each)))
  return (
    <ul class="input-items">
      {items.map((item, index) => (
        <li key={item.key} class="input-item">
          <div class="thumb">
            <Icon name={item.kind === 'IMAGE' ? 'picture' : 'film'} />
            <Picture media={item.poster} alt="" />
          </div>
          <div class="input-words">
            <span dir="auto">{item.label}</span>
            {item.sent !== undefined && <ProgressBar percentage={100 * item.sent} label={`Upload of ${item.label}`} />}
            <Errors errors={[...(item.error ? [item.error] : []), ...errorsIn(errors, [...path, String(index)])]} />
          </div>
          <select
            class="input"
            aria-label={`What ${item.label} is to the clip`}
            value={item.role}
            disabled={item.error !== undefined}
            onChange={({ currentTarget }) => setRole(item.key, currentTarget.value as Role)}
          >
            {[...new Set([...rolesFor(item.kind, model), item.role])].map((role) => (
              <option key={role} value={role}>
                {ROLE_WORDS[role]}
              </option>
            ))}
          </select>
          <Button label={`Remove ${item.label}`} icon="cancel" iconOnly kind="quiet" onClick={() => remove(item.key)} />
        </li>
      ))}
    </ul>
  )
}

function errorsIn(errors: UserError[], path: string[]): string[] {
  return [path, ...FIELDS.map((field) => [...path, field])].flatMap((each) => errorsAt(errors, ...each))
}
