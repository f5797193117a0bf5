/** The job that is being written: kept while the form is closed, until the job is made. */
import { signal } from '@preact/signals'

import { catalogue, modelOf } from '../catalogue'
import type { CreateJobInput, RenderSettingsInput } from '../operations'

export type SceneDraft = { key: number; prompt: string; duration: string }
export type Draft = {
  title: string
  way: 'form' | 'paste'
  scenes: SceneDraft[]
  pasted: string
  provider: string
  settings: RenderSettingsInput
  start: boolean
}

let keys = 0

/** Returns a scene without a prompt. */
export function newScene(): SceneDraft {
  return { key: ++keys, prompt: '', duration: '' }
}

function empty(): Draft {
  return { title: '', way: 'form', scenes: [newScene()], pasted: '', provider: '', settings: {}, start: true }
}

export const draft = signal(empty())

export function change(part: Partial<Draft>) {
  draft.value = { ...draft.value, ...part }
}

export function changeScene(key: number, part: Partial<SceneDraft>) {
  change({ scenes: draft.value.scenes.map((scene) => (scene.key === key ? { ...scene, ...part } : scene)) })
}

/** Empties the form; the choice of model and settings is kept for the next job. */
export function clearDraft() {
  const { way, provider, settings, start } = draft.value
  draft.value = { ...empty(), way, provider, settings, start }
}

/** Returns the prompts that were pasted, one a line. */
export function promptsOf(pasted: string): string[] {
  return pasted
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

/** Returns the choice of provider and model as one text. */
export function choiceOf({ provider, settings }: Draft): string {
  return settings.model ?? provider
}

/** Takes such a choice: a model, else a provider, else nothing. Settings that the model does not know are dropped. */
export function choose(choice: string) {
  const model = modelOf(choice)
  const isProvider = catalogue.value?.serverInfo.providers.includes(choice)
  const { aspectRatio, resolution } = draft.value.settings
  const keptRatio = !model?.aspectRatios.length || model.aspectRatios.includes(aspectRatio ?? '')
  const keptResolution = !model?.resolutions.length || (resolution && model.resolutions.includes(resolution))
  change({
    provider: model?.provider ?? (isProvider ? choice : ''),
    settings: {
      ...draft.value.settings,
      model: model?.id,
      options: undefined,
      aspectRatio: keptRatio ? aspectRatio : undefined,
      resolution: keptResolution ? resolution : undefined,
      seed: model?.seed === false ? undefined : draft.value.settings.seed,
      negativePrompt: model?.negativePrompt === false ? undefined : draft.value.settings.negativePrompt,
    },
  })
}

/** Returns the input of createJob, without a key. */
export function inputOf({ title, way, scenes, pasted, provider, settings, start }: Draft): CreateJobInput {
  const given = Object.entries(settings).filter(([, value]) => value !== undefined && value !== null)
  return {
    title: title.trim(),
    scenes:
      way === 'paste'
        ? promptsOf(pasted).map((prompt) => ({ prompt }))
        : scenes.map(({ prompt, duration }) => ({
            prompt: prompt.trim(),
            ...(duration.trim() && { durationSeconds: Number(duration) }),
          })),
    ...(provider && { provider }),
    ...(given.length && { settings: Object.fromEntries(given) }),
    start,
  }
}
