/** The settings of a render, as the model's catalogue allows them. */
import { errorsAt, type UserError } from '../failures'
import type { ModelFieldsFragment, RenderSettingsInput, Resolution } from '../operations'
import { Field } from './field'
import { optionFields, OptionControl } from './option-fields'

type Props = {
  /** Null where nothing is known of the model: then only its usual settings are offered. */
  model: ModelFieldsFragment | null
  value: RenderSettingsInput
  onChange: (value: RenderSettingsInput) => void
  errors: UserError[]
  /** Where the settings are in the input, such as `['settings']`; errors have longer paths. */
  path: string[]
}

const USUAL_RATIOS = ['16:9', '9:16', '1:1', '4:3', '3:4', '21:9']
const RESOLUTIONS: Record<Resolution, string> = {
  P360: '360p',
  P480: '480p',
  P720: '720p',
  P1080: '1080p',
  P1440: '1440p',
  P2160: '2160p (4K)',
}
const ALL_RESOLUTIONS = Object.keys(RESOLUTIONS) as Resolution[]

/** Controls for aspect ratio, resolution, seed, negative prompt, sound and the model's own options. */
export function SettingsFields({ model, value, onChange, errors, path }: Props) {
  const set = (change: Partial<RenderSettingsInput>) => onChange({ ...value, ...change })
  const at = (name: string) => errorsAt(errors, ...path, name)
  const ratios = model?.aspectRatios.length ? model.aspectRatios : USUAL_RATIOS
  const resolutions = model?.resolutions.length ? model.resolutions : ALL_RESOLUTIONS
  return (
    <>
      <div class="field-row">
        <Choice
          label="Aspect ratio"
          path={[...path, 'aspectRatio'].join('.')}
          value={value.aspectRatio}
          choices={ratios.map((ratio) => [ratio, ratio])}
          errors={at('aspectRatio')}
          onChange={(aspectRatio) => set({ aspectRatio })}
        />
        <Choice
          label="Resolution"
          path={[...path, 'resolution'].join('.')}
          value={value.resolution}
          choices={resolutions.map((each) => [each, RESOLUTIONS[each]])}
          errors={at('resolution')}
          onChange={(resolution) => set({ resolution: resolution as Resolution | null })}
        />
        {model?.seed !== false && (
          <Field label="Seed" path={[...path, 'seed'].join('.')} errors={at('seed')}>
            {(control) => (
              <input
                {...control}
                class="input"
                type="number"
                min={0}
                max={4_294_967_295}
                placeholder="Random"
                value={value.seed ?? ''}
                onInput={({ currentTarget: { value: text } }) => set({ seed: text === '' ? null : Number(text) })}
              />
            )}
          </Field>
        )}
        {model?.audio !== 'NEVER' && model?.audio !== 'ALWAYS' && (
          <Choice
            label="Sound"
          path={[...path, 'audio'].join('.')}
            value={value.audio == null ? null : String(value.audio)}
            choices={[
              ['true', 'With sound'],
              ['false', 'Silent'],
            ]}
            errors={at('audio')}
            onChange={(audio) => set({ audio: audio === null ? null : audio === 'true' })}
          />
        )}
      </div>
      {model?.negativePrompt !== false && (
        <Field
          label="Negative prompt"
          hint="What clips must not show"
          path={[...path, 'negativePrompt'].join('.')}
          errors={at('negativePrompt')}
        >
          {(control) => (
            <input
              {...control}
              class="input"
              dir="auto"
              value={value.negativePrompt ?? ''}
              onInput={({ currentTarget }) => set({ negativePrompt: currentTarget.value || null })}
            />
          )}
        </Field>
      )}
      {optionFields(model?.optionsSchema).map((option) => (
        <OptionControl
          key={option.name}
          option={option}
          value={value.options?.[option.name]}
          errors={errorsAt(errors, ...path, 'options', option.name)}
          onChange={(next) => set({ options: withOption(value.options, option.name, next) })}
        />
      ))}
      {[...errorsAt(errors, ...path), ...at('options')].map((message) => (
        <p class="error" key={message}>
          {message}
        </p>
      ))}
    </>
  )
}

function withOption(options: Record<string, unknown> | null | undefined, name: string, value: unknown) {
  const others = Object.fromEntries(Object.entries(options ?? {}).filter(([each]) => each !== name))
  const all = value === undefined ? others : { ...others, [name]: value }
  return Object.keys(all).length ? all : null
}

type ChoiceProps = {
  label: string
  path?: string
  value: string | null | undefined
  choices: [string, string][]
  errors: string[]
  onChange: (value: string | null) => void
}

/** A list to choose from whose first entry leaves the choice to the model. */
export function Choice({ label, path, value, choices, errors, onChange }: ChoiceProps) {
  return (
    <Field label={label} path={path} errors={errors}>
      {(control) => (
        <select
          {...control}
          class="input"
          value={value ?? ''}
          onChange={({ currentTarget }) => onChange(currentTarget.value || null)}
        >
          <option value="">Default</option>
          {choices.map(([key, words]) => (
            <option key={key} value={key}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}
