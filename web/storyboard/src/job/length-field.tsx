import { Field } from '../parts/field'
import { Choice } from '../parts/settings-fields'
import type { Model } from './types'

type Props = { length: number | null; setLength: (length: number | null) => void; model: Model | null; errors: string[] }

/** The length of a clip in seconds, as far as the model leaves a choice. */
export function LengthField({ length, setLength, model, errors }: Props) {
  if (model?.durationsSeconds) {
    const lengths = new Set(length === null ? model.durationsSeconds : [...model.durationsSeconds, length])
    return (
      <Choice
        label="Length"
        value={length === null ? null : String(length)}
        choices={[...lengths].map((each) => [String(each), `${each} s`])}
        errors={errors}
        onChange={(chosen) => setLength(chosen === null ? null : Number(chosen))}
      />
    )
  }
  const hint = model ? `${model.minDurationSeconds} to ${model.maxDurationSeconds}` : undefined
  return (
    <Field label="Length in seconds" errors={errors} hint={hint}>
      {(control) => (
        <input
          {...control}
          class="input"
          type="number"
          step="any"
          min={model?.minDurationSeconds}
          max={model?.maxDurationSeconds}
          placeholder="5"
          value={length ?? ''}
          onInput={({ currentTarget: { value } }) => setLength(value === '' ? null : Number(value))}
        />
      )}
    </Field>
  )
}
