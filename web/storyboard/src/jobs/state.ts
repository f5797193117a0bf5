/** Which jobs the list shows. */
import { computed, effect, signal, untracked } from '@preact/signals'

import type { JobFilter, JobStatus } from '../operations'
import { signIn, token } from '../session'
import { JobList } from './list'

export const search = signal('')
export const status = signal<JobStatus | ''>('')

/** Whether some jobs may be left out. */
export const isFiltered = computed(() => search.value !== '' || status.value !== '')

/** The list that is shown; null while signed out. */
export const list = signal<JobList | null>(null)

const round = signal(0)

/** Reads the list again. */
export function tryAgain() {
  round.value++
}

const isIn = computed(() => signIn === 'none' || token.value !== undefined)

let next: JobList | null = null

effect(() => {
  const filter: JobFilter = {}
  if (search.value) filter.search = search.value
  if (status.value) filter.status = [status.value]
  void round.value
  const signedIn = isIn.value
  untracked(() => replaceBy(signedIn ? new JobList(filter) : null))
})

/** Shows another list. The one before stays until the other has its first page, so that typing does not blank the list. */
function replaceBy(made: JobList | null) {
  if (next !== list.value) next?.stop()
  next = made
  if (made === null || list.value === null) swap()
  else void made.ready.then(() => made === next && swap())
}

function swap() {
  list.value?.stop()
  list.value = next
}

/** Whether there is no job at all. */
export const hasNoJobs = computed(() => !isFiltered.value && list.value?.rows.value?.length === 0)
