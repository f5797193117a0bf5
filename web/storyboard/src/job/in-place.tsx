import type { ComponentChildren } from 'preact'
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'

type Props = {
  value: string
  /** What the text is, such as "Prompt of scene 2". */
  label: string
  maxLength: number
  multiline?: boolean
  /** Saves the text; resolves to the reason if it is refused. */
  save: (text: string) => Promise<string | undefined>
  children?: ComponentChildren
}
type Draft = { text: string; from: string; takesFocus: boolean; refusal?: string; refusedText?: string }

/**
 * A text that becomes a field when it is activated. Enter saves it (in several lines Ctrl+Enter), as does leaving it;
 * Escape does not. A refused text stays in the field, with the reason below. The element around it has `dir="auto"`.
 */
export function InPlace({ value, label, maxLength, multiline = false, save, children }: Props) {
  const [draft, setDraft] = useDraft()
  const text = useRef<HTMLButtonElement>(null)
  const returnsFocus = useRef(false)
  useLayoutEffect(() => {
    if (draft.current || !returnsFocus.current) return
    returnsFocus.current = false
    text.current?.focus()
  }, [draft.current])

  function close(isByKey: boolean) {
    returnsFocus.current = isByKey
    setDraft(undefined)
  }

  async function submit(isByKey: boolean) {
    const edited = draft.current
    if (!edited || (!isByKey && edited.text === edited.refusedText)) return
    const changed = edited.text.trim()
    close(isByKey)
    if (changed === edited.from || (changed === '' && !isByKey)) return
    const refusal = await save(changed)
    if (refusal !== undefined) setDraft({ ...edited, refusal, refusedText: edited.text, takesFocus: isByKey })
  }

  if (draft.current) {
    const edited = draft.current
    const isOverwriting = value !== edited.from
    return (
      <Field
        {...{ label, maxLength, multiline, submit }}
        draft={edited}
        note={isOverwriting ? `It was changed meanwhile to: ${value}` : undefined}
        onInput={(changed) => setDraft({ ...edited, text: changed })}
        onCancel={() => close(true)}
      />
    )
  }
  return (
    <button
      ref={text}
      type="button"
      class={multiline ? 'in-place lines' : 'in-place'}
      aria-label={`${label}: ${value}. Edit`}
      title="Edit"
      onClick={() => setDraft({ text: value, from: value, takesFocus: true })}
    >
      {children ?? value}
    </button>
  )
}

/** Returns the draft as it is now: the blur of a field that is removed comes before the next rendering. */
function useDraft(): [{ readonly current: Draft | undefined }, (draft: Draft | undefined) => void] {
  const current = useRef<Draft | undefined>(undefined)
  const [, render] = useState<Draft>()
  return [
    current,
    (draft) => {
      current.current = draft
      render(draft)
    },
  ]
}

type FieldProps = Pick<Props, 'label' | 'maxLength' | 'multiline'> & {
  draft: Draft
  note?: string
  onInput: (text: string) => void
  onCancel: () => void
  submit: (isByKey: boolean) => Promise<void>
}

function Field({ label, maxLength, multiline, draft, note, onInput, onCancel, submit }: FieldProps) {
  const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null)
  const id = useId()
  useLayoutEffect(() => {
    if (!draft.takesFocus) return
    field.current?.focus()
    if (draft.refusal === undefined) field.current?.select() // a refused text is corrected, not typed again
  }, [])
  useLayoutEffect(() => fit(field.current), [draft.text])

  function onKeyDown(event: KeyboardEvent) {
    if (event.isComposing) return
    if (event.key === 'Escape') {
      event.stopPropagation()
      event.preventDefault() // otherwise it would also close a dialog
      onCancel()
    } else if (event.key === 'Enter' && (!multiline || event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      void submit(true)
    }
  }

  const Tag = multiline ? 'textarea' : 'input'
  const message = draft.refusal ?? note
  return (
    <div class="field in-place-field">
      <Tag
        ref={field}
        class="input"
        dir="auto"
        rows={multiline ? 3 : undefined}
        aria-label={label}
        aria-invalid={draft.refusal !== undefined}
        aria-describedby={message ? id : undefined}
        value={draft.text}
        maxLength={maxLength}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={() => void submit(false)}
      />
      {message && (
        <p id={id} class={draft.refusal ? 'error' : 'hint'} role="alert" dir="auto">
          {message}
        </p>
      )}
    </div>
  )
}

/** Makes a field of several lines as high as its text. */
function fit(field: HTMLElement | null) {
  if (field?.tagName !== 'TEXTAREA') return
  field.style.height = 'auto'
  field.style.height = `${field.scrollHeight + 2}px`
}
