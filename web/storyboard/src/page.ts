/** What the server writes into the page, and the place that the address bar names. */
import { signal } from '@preact/signals'

type Name = 'graphql' | 'storyboard' | 'explorer' | 'sign-in' | 'issuer' | 'client-id' | 'audience'

/** Returns the content of a meta element of the page. */
export function written(name: Name): string {
  return document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)?.content ?? ''
}

const here = () => new URLSearchParams(location.search).get('job')

/** The id of the job that is shown; null for none. */
export const shownJob = signal(here())

addEventListener('popstate', () => (shownJob.value = here()))

/** Returns the address of the page of a job, or of the page without one. */
export function addressOf(jobId: string | null): string {
  return jobId === null ? written('storyboard') : `${written('storyboard')}?job=${encodeURIComponent(jobId)}`
}

/** Shows a job, or none, as a new entry of the browser's history. */
export function show(jobId: string | null) {
  if (jobId === shownJob.value) return
  history.pushState(null, '', addressOf(jobId))
  shownJob.value = jobId
}

/** Follows a link to a job within the page, unless it is to open in another tab. */
export function follow(event: MouseEvent, jobId: string | null) {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  event.preventDefault()
  show(jobId)
}

/** Removes the answer of the issuer at which the user signed in from the address, and returns it; null without one. */
export function takeAnswer(): URLSearchParams | null {
  const answer = new URLSearchParams(location.search)
  if (!answer.has('state') || !(answer.has('code') || answer.has('error'))) return null
  history.replaceState(null, '', addressOf(null))
  return answer
}
