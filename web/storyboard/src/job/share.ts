type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
type JsonObject = { [name: string]: Json }

const RENEW_BEFORE_MS = 60_000

/**
 * Returns `next` with every part of `previous` that is equal to its own, so that a message renders only what it changed.
 *
 * Signed addresses of one file differ in each message: the former one is kept until a minute before it expires.
 */
export function share<Value>(previous: Value | undefined, next: Value, now = Date.now()): Value {
  return shareJson(previous as Json | undefined, next as Json, now) as Value
}

function shareJson(previous: Json | undefined, next: Json, now: number): Json {
  if (Object.is(previous, next) || !isContainer(previous) || !isContainer(next)) return next
  if (Array.isArray(next)) return Array.isArray(previous) ? shareList(previous, next, now) : next
  if (Array.isArray(previous)) return next
  return isSameFile(previous, next, now) ? previous : shareObject(previous, next, now)
}

function shareList(previous: Json[], next: Json[], now: number): Json[] {
  const byId = new Map(previous.map((each) => [idOf(each), each]))
  const shared = next.map((each, index) => shareJson(idOf(each) ? byId.get(idOf(each)) : previous[index], each, now))
  const isEqual = shared.length === previous.length && shared.every((each, index) => Object.is(each, previous[index]))
  return isEqual ? previous : shared
}

function shareObject(previous: JsonObject, next: JsonObject, now: number): JsonObject {
  const names = Object.keys(next)
  let isEqual = names.length === Object.keys(previous).length
  const shared: JsonObject = {}
  for (const name of names) {
    const value = shareJson(previous[name], next[name]!, now)
    isEqual &&= Object.is(value, previous[name])
    shared[name] = value
  }
  return isEqual ? previous : shared
}

function isSameFile(previous: JsonObject, next: JsonObject, now: number): boolean {
  if (!isFile(previous) || !isFile(next) || previous.url === next.url) return false
  if (fileOf(previous.url) !== fileOf(next.url)) return false
  const expiresAt = previous.expiresAt
  return typeof expiresAt === 'string' && Date.parse(expiresAt) - now > RENEW_BEFORE_MS
}

/** Returns `value` with the addresses of `source` for the files that both have; everything else stays as it is. */
export function withAddresses<Value>(value: Value, source: unknown): Value {
  return readdress(value as Json, source as Json | undefined) as Value
}

function readdress(value: Json, source: Json | undefined): Json {
  if (!isContainer(value) || !isContainer(source)) return value
  if (Array.isArray(value)) {
    const byId = new Map(Array.isArray(source) ? source.map((each) => [idOf(each), each]) : [])
    return value.map((each) => readdress(each, byId.get(idOf(each))))
  }
  if (Array.isArray(source)) return value
  if (isFile(value) && isFile(source)) return fileOf(value.url) === fileOf(source.url) ? source : value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, readdress(part, source[name])]))
}

function isFile(value: JsonObject): value is JsonObject & { url: string } {
  return typeof value.url === 'string'
}

/** Returns what identifies the file at an address: without its signature, with the number of a live frame. */
export function fileOf(url: string): string {
  const { origin, pathname, searchParams } = new URL(url, 'http://localhost')
  return `${origin}${pathname}#${searchParams.get('frame') ?? ''}`
}

function idOf(value: Json): Json | undefined {
  return isContainer(value) && !Array.isArray(value) ? value.id : undefined
}

function isContainer(value: Json | undefined): value is Json[] | JsonObject {
  return typeof value === 'object' && value !== null
}
