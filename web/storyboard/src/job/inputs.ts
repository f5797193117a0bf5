import type { Input, Media, Model, SceneOrder } from './types'

export type Role = Input['role']
type Kind = 'IMAGE' | 'VIDEO' | 'AUDIO'

/** A file that the next take is made from: kept, uploaded, or on its way. */
export type Item = {
  key: string
  role: Role
  name: string | null
  label: string
  kind: Kind
  poster: Media | null
  assetId?: string
  takeId?: string
  atSeconds?: number | null
  /** 0 to 1 while it is uploaded. */
  sent?: number
  error?: string
}

export const ROLE_WORDS: Record<Role, string> = {
  FIRST_FRAME: 'First picture',
  LAST_FRAME: 'Last picture',
  REFERENCE: 'Shown in the clip',
  SOURCE_VIDEO: 'Video to change',
  REFERENCE_AUDIO: 'Sound to follow',
}
const ROLES_OF: Record<Kind, Role[]> = {
  IMAGE: ['FIRST_FRAME', 'LAST_FRAME', 'REFERENCE'],
  VIDEO: ['SOURCE_VIDEO'],
  AUDIO: ['REFERENCE_AUDIO'],
}

let lastKey = 0

/** Returns a key that no other item of the page has. */
export function nextKey(): string {
  return String(++lastKey)
}

/** Returns an input of a scene as an item of a form. */
export function itemOf({ role, name, atSeconds, asset, take }: Input): Item {
  const kind = asset?.kind ?? (role === 'SOURCE_VIDEO' ? 'VIDEO' : 'IMAGE')
  const poster = asset?.poster ?? take?.poster ?? null
  const source = asset ? { assetId: asset.id } : take ? { takeId: take.id, atSeconds } : { error: 'The file is gone.' }
  return { key: nextKey(), role, name, kind, poster, label: name ?? asset?.name ?? (take ? 'Picture of a take' : 'File'), ...source }
}

/** Returns the roles that a model has for files of a kind; all of them for a model that the catalogue does not name. */
export function rolesFor(kind: Kind, model: Model | null): Role[] {
  return ROLES_OF[kind].filter((role) => !model || model.roles.includes(role))
}

/** Returns the first role of a kind that is free beside the others; undefined when the model takes no more of it. */
export function freeRole(kind: Kind, model: Model | null, items: Item[]): Role | undefined {
  const taken = items.map(({ role }) => role)
  return rolesFor(kind, model).find((role) => {
    if (model?.exclusive.some((roles) => roles.includes(role) && taken.some((each) => each !== role && roles.includes(each)))) return false
    const count = taken.filter((each) => each === role).length
    return role === 'REFERENCE' ? count < (model?.maxReferences ?? Infinity) : count === 0
  })
}

/** Returns the items as the API takes them, without those that failed. */
export function inputsOf(items: Item[]): NonNullable<SceneOrder['inputs']> {
  return items
    .filter(({ assetId, takeId }) => assetId || takeId)
    .map(({ role, name, assetId, takeId, atSeconds }) => ({
      role,
      name,
      ...(assetId ? { assetId } : { takeId, atSeconds: role === 'SOURCE_VIDEO' ? null : atSeconds }),
    }))
}

/** Returns the kind of a file that a user has chosen; undefined for one that no model takes. */
export function kindOf({ type }: Pick<File, 'type'>): Kind | undefined {
  const [family] = type.split('/')
  return ({ image: 'IMAGE', video: 'VIDEO', audio: 'AUDIO' } as const)[family ?? '']
}
