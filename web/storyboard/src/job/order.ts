import type { RenderSettingsInput } from '../operations'
import type { Model, Settings } from './types'

/** Returns the settings of a scene as a form edits them; empty ones leave the choice to the job. */
export function editable(own: Settings | undefined): RenderSettingsInput {
  const options = Object.keys(own?.options ?? {}).length ? own?.options : null
  return { ...own, options }
}

/**
 * Returns the settings to send: each of them, so that an emptied field falls back to that of the job, and none that the
 * model does not have.
 */
export function toSend(settings: RenderSettingsInput, model: Model | null, jobModel: string | null): RenderSettingsInput {
  const isOtherModel = !!settings.model && settings.model !== jobModel
  return {
    model: settings.model ?? null,
    aspectRatio: settings.aspectRatio ?? null,
    resolution: settings.resolution ?? null,
    seed: model?.seed === false ? null : (settings.seed ?? null),
    negativePrompt: model?.negativePrompt === false ? null : (settings.negativePrompt ?? null),
    audio: model && model.audio !== 'OPTIONAL' ? null : (settings.audio ?? null),
    // The options of the job are those of its model: a scene with another model needs its own, if only empty ones.
    options: settings.options ?? (isOtherModel ? {} : null),
  }
}

/** Returns the model that a form is about: the chosen one, else the job's, else the default of the provider. */
export function modelFor(models: Model[], chosen: string | null | undefined, jobModel: string | null): Model | null {
  const id = chosen ?? jobModel
  return (id ? models.find((each) => each.id === id) : models[0]) ?? null
}
