import { request } from '../client'
import { inWords, withAllowed, type UserError } from '../failures'
import {
  AddSceneDocument,
  CancelJobDocument,
  CancelSceneDocument,
  DeleteJobDocument,
  DeleteSceneDocument,
  MoveSceneDocument,
  RegenerateSceneDocument,
  RenameJobDocument,
  RestoreJobDocument,
  RestoreSceneDocument,
  RetryFailedScenesDocument,
  SelectTakeDocument,
  StartJobDocument,
  UpdateSceneDocument,
} from '../operations'
import { toast } from '../parts/toast'
import { withMovedScene, withoutScene, withScene } from './changes'
import type { FollowedJob, Outcome } from './followed'
import type { NewScene, Scene, SceneEdit, SceneOrder } from './types'
import { nameOf } from './words'

type Payload = { job?: { version: number } | null; errors: UserError[] }
export type Actions = ReturnType<typeof createActions>

/** Returns what the page can do to a job and its scenes. None rejects: refusals are shown, or returned where it says so. */
export function createActions(jobId: string, followed: FollowedJob) {
  return { ...jobActions(jobId, followed), ...sceneActions(jobId, followed), ...orders(jobId) }
}

function jobActions(jobId: string, followed: FollowedJob) {
  const input = { jobId }
  const restore = async () => report(await send(() => request(RestoreJobDocument, { input })))
  return {
    start: async () => report(await send(() => request(StartJobDocument, { input }))),
    cancel: async () => report(await send(() => request(CancelJobDocument, { input }))),
    restore,
    async remove() {
      const isDone = report(await send(() => request(DeleteJobDocument, { input })))
      if (isDone) toast('The job is deleted.', { undo: () => void restore() })
    },
    /** Shows the title at once; resolves to the reason if it is refused. */
    async rename(title: string) {
      const change = () => send(() => request(RenameJobDocument, { input: { jobId, title } }))
      return reasonOf(await followed.change((job) => ({ ...job, title }), change))
    },
    async retryFailed() {
      const batch = { jobId, status: ['FAILED' as const], policy: 'BEST_EFFORT' as const }
      report(await send(() => request(RetryFailedScenesDocument, { input: batch })))
    },
  }
}

function sceneActions(jobId: string, followed: FollowedJob) {
  const restore = async (sceneId: string) =>
    report(await send(() => request(RestoreSceneDocument, { input: { sceneId, jobId } })))
  return {
    /** Shows the fields at once; resolves to the reason if they are refused. */
    async edit(sceneId: string, edit: Pick<SceneEdit, 'title' | 'prompt' | 'durationSeconds'>) {
      const change = () => send(() => request(UpdateSceneDocument, { input: { sceneId, jobId, ...edit } }))
      return reasonOf(await followed.change((job) => withScene(job, sceneId, edit), change))
    },
    async move(sceneId: string, position: number) {
      const change = () => send(() => request(MoveSceneDocument, { input: { sceneId, jobId, position } }))
      return report(await followed.change((job) => withMovedScene(job, sceneId, position), change))
    },
    async removeScene(scene: Scene) {
      const change = () => send(() => request(DeleteSceneDocument, { input: { sceneId: scene.id, jobId } }))
      const isDone = report(await followed.change((job) => withoutScene(job, scene.id), change))
      if (isDone) toast(`${nameOf(scene)} is deleted.`, { undo: () => void restore(scene.id) })
    },
    cancelScene: async (sceneId: string) =>
      report(await send(() => request(CancelSceneDocument, { input: { sceneId, jobId } }))),
    /** Renders a scene again as it is. */
    renderAgain: async (sceneId: string) =>
      report(await send(() => request(RegenerateSceneDocument, { input: { sceneId, jobId } }))),
    /** Resolves to the reason if it is refused. */
    selectTake: async (takeId: string) =>
      reasonOf(await send(() => request(SelectTakeDocument, { input: { takeId } }))),
  }
}

/** What forms send: each resolves to the errors, for the form to show beside its fields. */
function orders(jobId: string) {
  return {
    regenerate: (sceneId: string, order: SceneOrder) =>
      errorsOf(() => request(RegenerateSceneDocument, { input: { sceneId, jobId, ...order } })),
    update: (sceneId: string, edit: SceneEdit) =>
      errorsOf(() => request(UpdateSceneDocument, { input: { sceneId, jobId, ...edit } })),
    add: (scene: NewScene) => errorsOf(() => request(AddSceneDocument, { input: { jobId, scene } })),
  }
}

async function send(ask: () => Promise<object>): Promise<Outcome> {
  try {
    const { job, errors } = payloadOf(await ask())
    return errors.length ? { refusal: errors.map(withAllowed).join(' ') } : { version: job?.version }
  } catch (reason) {
    return { refusal: inWords(reason) }
  }
}

async function errorsOf(ask: () => Promise<object>): Promise<UserError[]> {
  try {
    return payloadOf(await ask()).errors
  } catch (reason) {
    return [{ code: '', message: inWords(reason), path: null }]
  }
}

// Each mutation document has one field.
function payloadOf(data: object): Payload {
  return Object.values(data)[0] as Payload
}

function reasonOf({ refusal }: Outcome): string | undefined {
  return refusal
}

/** Shows why a change was refused; returns whether it was made. */
function report({ refusal }: Outcome): boolean {
  if (refusal !== undefined) toast(refusal, { kind: 'bad' })
  return refusal === undefined
}
