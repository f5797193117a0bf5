import type { SceneStage } from '../parts/status'
import type { Failure, Job, Scene, Settings, Take } from './types'

/** Returns the stage of a scene where its status is less exact. */
export function stageOf(scene: Scene, jobStatus: Job['status']): SceneStage | undefined {
  if (scene.status !== 'PENDING') return undefined
  if (jobStatus === 'PENDING') return 'WAITING'
  return scene.nextAttemptAt ? 'RETRYING' : undefined
}

const ADVICE: Readonly<Record<string, string>> = {
  MODERATED: 'Change the prompt or the inputs, then try again: the same order would be refused again.',
  INVALID_INPUT: 'Change the prompt, the settings or the inputs, then try again.',
  INPUT_MISSING: 'Choose other inputs, then try again: a file is gone.',
  NOT_SUPPORTED: 'Choose another model or other settings, then try again.',
  PROVIDER_UNAVAILABLE: 'The scene itself is fine. Try again in a few minutes.',
  TIMEOUT: 'The scene itself is fine. Try again; a shorter clip renders faster.',
  WORKER_LOST: 'Workers stopped while they rendered. Check them, then try again.',
}

/** Returns what to do about a failure. */
export function advice({ code, retryable }: Failure): string {
  if (ADVICE[code]) return ADVICE[code]
  if (code.startsWith('CLIP_')) return 'Try again, or change the settings: this clip cannot be shown.'
  return retryable ? 'Try again: it may succeed.' : 'Change the prompt or the settings, then try again.'
}

/** Returns what to do about clips that could not be joined to one video. */
export function joinAdvice({ code }: Failure): string {
  return code.startsWith('JOIN_') ? 'Delete or shorten scenes.' : 'Regenerate the scene that it names.'
}

const REASONS: Record<Take['reason'], string> = {
  INITIAL: 'First take',
  REGENERATE: 'Regenerated',
  AUTOMATIC_RETRY: 'Automatic retry',
}

/** Returns why a take was made. */
export function reasonWord({ reason }: Pick<Take, 'reason'>): string {
  return REASONS[reason]
}

/** Returns a position within a video as 0:05, 12:34 or 1:02:03. */
export function inTimecode(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  const rest = String(whole % 60).padStart(2, '0')
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`
}

/** Returns what a scene is called in labels, messages and announcements. */
export function nameOf({ position, title }: Pick<Scene, 'position' | 'title'>): string {
  return title ? `Scene ${position + 1}, ${title}` : `Scene ${position + 1}`
}

/** Returns the settings that are given, each with its name. */
export function settingsInWords(settings: Settings): [name: string, value: string][] {
  const { model, aspectRatio, resolution, seed, negativePrompt, audio, options } = settings
  const facts: [string, string | number | null][] = [
    ['Model', model],
    ['Shape', aspectRatio],
    ['Resolution', resolution && `${resolution.slice(1)}p`],
    ['Seed', seed],
    ['Without', negativePrompt],
    ['Sound', audio === null ? null : audio ? 'yes' : 'no'],
    ...Object.entries(options).map(([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  ]
  return facts.filter(([, value]) => value !== null).map(([name, value]) => [name, String(value)])
}
