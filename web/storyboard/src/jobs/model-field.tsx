import { catalogue, modelsOf } from '../catalogue'
import { errorsAt, type UserError } from '../failures'
import type { ModelFieldsFragment } from '../operations'
import { Field } from '../parts/field'
import { choiceOf, choose, draft } from './draft'

/** The providers and their models; without a choice the server takes its default. */
export function ModelField({ errors }: { errors: UserError[] }) {
  const { serverInfo, models } = catalogue.value ?? { serverInfo: { providers: [] }, models: [] }
  const chosen = choiceOf(draft.value)
  const reason = models.find(({ id }) => id === chosen)?.unavailableReason ?? undefined
  return (
    <Field
      label="Model"
      hint={reason}
      path="settings.model"
      errors={[...errorsAt(errors, 'provider'), ...errorsAt(errors, 'settings', 'model')]}
    >
      {(control) => (
        <select {...control} class="input" value={chosen} onChange={({ currentTarget }) => choose(currentTarget.value)}>
          <option value="">Default of the server</option>
          {serverInfo.providers.map((provider) => (
            <Group key={provider} provider={provider} models={modelsOf(provider)} />
          ))}
        </select>
      )}
    </Field>
  )
}

function Group({ provider, models }: { provider: string; models: ModelFieldsFragment[] }) {
  if (!models.length) return <option value={provider}>{provider}</option>
  return (
    <optgroup label={provider}>
      {models.map(({ id, name, available }) => (
        <option key={id} value={id}>
          {available ? name : `${name} (not available)`}
        </option>
      ))}
    </optgroup>
  )
}
