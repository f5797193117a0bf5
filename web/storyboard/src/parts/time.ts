/** Time in words: one clock ticks for the whole page. */
import { signal, type ReadonlySignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'

const NOTICED_MS = 2_000
const clock = signal(Date.now())
let ahead = 0 // how far the clock of the server is ahead of this one, in ms
let users = 0
let timer: ReturnType<typeof setInterval> | undefined

/** Returns the time in ms, which renews each second while a component uses it. Only that component renders again. */
export function useNow(): ReadonlySignal<number> {
  useEffect(() => {
    if (users++ === 0) {
      clock.value = serverTime()
      timer = setInterval(() => (clock.value = serverTime()), 1_000)
    }
    return () => {
      if (--users === 0) clearInterval(timer)
    }
  }, [])
  return clock
}

/** Returns the time in ms by the clock of the server, as far as it is known. */
export function serverTime(): number {
  return Date.now() + ahead
}

/** Learns the clock of the server, whose times the page shows, from an answer: the header Date of RFC 9110, in seconds. */
export async function readServerClock(address: string): Promise<void> {
  const sent = Date.now()
  const date = await fetch(address, { method: 'HEAD', headers: { accept: 'text/html' }, cache: 'no-store' }).then(
    ({ headers }) => Date.parse(headers.get('date') ?? ''),
    () => NaN, // the server is away: the page's own clock has to do
  )
  const difference = date - (sent + Date.now()) / 2
  ahead = Math.abs(difference) > NOTICED_MS ? difference : 0
}

/** Returns a span such as "8 s", "2 min 05 s" or "1 h 20 min". */
export function inSpan(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`
}

/** Returns the span between two instants, such as "under 1 s" or "8 s". */
export function spanBetween(from: string, to: string): string {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1_000
  return seconds < 1 ? 'under 1 s' : inSpan(seconds)
}

/** Returns an estimate such as "about 40 s" or "about 3 min", coarse so that it does not jump. */
export function roughly(seconds: number): string {
  if (seconds < 55) return `about ${Math.max(5, Math.ceil(seconds / 5) * 5)} s`
  if (seconds < 3_300) return `about ${Math.ceil(seconds / 60)} min`
  return `about ${Math.ceil(seconds / 3_600)} h`
}

/** Returns how long ago something was, such as "just now", "5 min ago" or "3 Mar". */
export function ago(instant: string, now: number): string {
  const seconds = (now - Date.parse(instant)) / 1_000
  if (seconds < 45) return 'just now'
  if (seconds < 3_600) return `${Math.max(1, Math.round(seconds / 60))} min ago`
  if (seconds < 24 * 3_600) return `${Math.round(seconds / 3_600)} h ago`
  const date = new Date(instant)
  const year = date.getFullYear() === new Date(now).getFullYear() ? undefined : 'numeric'
  return date.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year })
}

/** Returns the length of a clip, such as "5 s" or "1:05". */
export function inClock(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}
