/** A model's own options: one control for each property of its JSON schema that a form can show. */
import { Field } from './field'

export type Option = {
  name: string
  label: string
  hint?: string
  kind: 'text' | 'number' | 'switch' | 'choice'
  choices: unknown[]
  min?: number
  max?: number
  step?: number
  fallback?: unknown
}

type Schema = {
  type?: string | string[]
  title?: string
  description?: string
  enum?: unknown[]
  default?: unknown
  minimum?: number
  maximum?: number
  properties?: Record<string, Schema>
}

/** Returns the options of a schema that have a control: texts, numbers, switches and choices; no lists, no objects. */
export function optionFields(schema: Record<string, unknown> | null | undefined): Option[] {
  const { properties = {} } = (schema ?? {}) as Schema
  return Object.entries(properties).flatMap(([name, property]) => {
    const kind = kindOf(property)
    if (kind === null) return []
    const label = property.title ?? name.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase())
    const { description: hint, enum: choices = [], minimum: min, maximum: max, default: fallback } = property
    const step = typeOf(property) === 'integer' ? 1 : undefined
    return [{ name, label, hint, kind, choices, min, max, step, fallback }]
  })
}

function typeOf({ type }: Schema): string | undefined {
  return Array.isArray(type) ? type.find((each) => each !== 'null') : type
}

function kindOf(property: Schema): Option['kind'] | null {
  if (property.enum) return 'choice'
  switch (typeOf(property)) {
    case 'string':
      return 'text'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'switch'
    default:
      return null
  }
}

type Props = { option: Option; value: unknown; errors: string[]; onChange: (value: unknown) => void }

/** The control of an option; without a value it shows the model's default. `onChange` gives undefined for none. */
export function OptionControl({ option, value, errors, onChange }: Props) {
  const { label, hint, kind, choices, fallback } = option
  if (kind === 'text' || kind === 'number') return <TextOption {...{ option, value, errors, onChange }} />
  const values = kind === 'switch' ? [true, false] : choices
  const words = (each: unknown) => (typeof each === 'boolean' ? (each ? 'On' : 'Off') : String(each))
  return (
    <Field label={label} hint={hint} errors={errors}>
      {(control) => (
        <select
          {...control}
          class="input"
          value={value === undefined ? '' : String(values.indexOf(value))}
          onChange={({ currentTarget }) =>
            onChange(currentTarget.value === '' ? undefined : values[Number(currentTarget.value)])
          }
        >
          <option value="">{fallback === undefined ? 'Default' : `Default (${words(fallback)})`}</option>
          {values.map((each, index) => (
            <option key={index} value={index}>
              {words(each)}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

function TextOption({ option, value, errors, onChange }: Props) {
  const { label, hint, kind, min, max, step, fallback } = option
  const isNumber = kind === 'number'
  return (
    <Field label={label} hint={hint} errors={errors}>
      {(control) => (
        <input
          {...control}
          class="input"
          dir="auto"
          {...(isNumber ? ({ type: 'number', min, max, step: step ?? 'any' } as const) : ({ type: 'text' } as const))}
          placeholder={fallback === undefined ? undefined : String(fallback)}
          value={value === undefined ? '' : String(value)}
          onInput={({ currentTarget: { value: text } }) =>
            onChange(text === '' ? undefined : isNumber ? Number(text) : text)
          }
        />
      )}
    </Field>
  )
}
