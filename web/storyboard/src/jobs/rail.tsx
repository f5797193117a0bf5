import { useEffect, useRef, useState } from 'preact/hooks'

import type { JobStatus } from '../operations'
import { shownJob } from '../page'
import { Button } from '../parts/button'
import { Icon } from '../parts/icon'
import { Account } from '../sign-in/account'
import type { JobList } from './list'
import { openNewJob } from './new-job'
import { JobRow } from './row'
import { hasNoJobs, isFiltered, list, search, status, tryAgain } from './state'

/** The list of jobs, with search, filter, and the button for a new one. */
export function Rail() {
  return (
    <nav class="rail" aria-label="Jobs">
      <header class="rail-head">
        <span class="brand">
          <Icon name="film" size={20} />
          Scenewire
        </span>
        <Account />
      </header>
      {!hasNoJobs.value && (
        <div class="rail-tools">
          <Button label="New job" icon="add" kind="primary" data-opens="new-job" onClick={openNewJob} />
          <Filters />
        </div>
      )}
      {list.value && <Jobs list={list.value} />}
    </nav>
  )
}

const TYPING_MS = 250
const STATUSES: [JobStatus | '', string][] = [
  ['', 'All'],
  ['PENDING', 'Drafts'],
  ['PROCESSING', 'Running'],
  ['COMPLETED', 'Done'],
  ['FAILED', 'Failed'],
  ['CANCELED', 'Canceled'],
]

function Filters() {
  const [text, setText] = useState(search.value)
  useEffect(() => {
    const timer = setTimeout(() => (search.value = text.trim()), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <span class="search">
        <Icon name="search" />
        <input
          class="input"
          type="search"
          aria-label="Search by title"
          placeholder="Search"
          dir="auto"
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </span>
      <select
        class="input"
        aria-label="Status"
        value={status.value}
        onChange={({ currentTarget }) => (status.value = currentTarget.value as JobStatus | '')}
      >
        {STATUSES.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </form>
  )
}

function Jobs({ list: { rows, failure, isLoading, hasMore, left, load } }: { list: JobList }) {
  const jobs = rows.value
  const current = list.value
  if (failure.value) return <Failed reason={failure.value} />
  if (jobs === null) return <Placeholders />
  return (
    <div class="rail-list">
      <p class="visually-hidden" role="status">
        {isFiltered.value ? `${jobs.length}${hasMore.value ? ' or more' : ''} jobs match` : ''}
      </p>
      {jobs.length === 0 && <p class="rail-note">{isFiltered.value ? 'No job matches.' : 'No jobs yet.'}</p>}
      <ul>
        {jobs.map((job) => (
          <JobRow key={job.id} job={job} isShown={job.id === shownJob.value} />
        ))}
      </ul>
      {hasMore.value && <More left={left.value} isLoading={isLoading.value} load={() => void load.call(current)} />}
    </div>
  )
}

function Failed({ reason }: { reason: string }) {
  return (
    <div class="rail-note" role="alert">
      <p>{reason}</p>
      <Button label="Try again" icon="retry" onClick={tryAgain} />
    </div>
  )
}

/** Loads the next page when it is scrolled to, or by its button. */
function More({ left, isLoading, load }: { left: number; isLoading: boolean; load: () => void }) {
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (isLoading || !button.current) return undefined
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && load(), { rootMargin: '400px' })
    observer.observe(button.current)
    return () => observer.disconnect()
  }, [isLoading])
  const label = `Show more (${left.toLocaleString()} left)`
  return <Button class="more" label={label} kind="quiet" busy={isLoading} buttonRef={button} onClick={load} />
}

/** Boxes in place of jobs while the first page is read, so that nothing jumps. */
function Placeholders() {
  return (
    <div class="rail-list" aria-busy="true">
      <p class="visually-hidden">Loading jobs</p>
      {[1, 2, 3, 4].map((each) => (
        <div class="job-row placeholder" key={each} />
      ))}
    </div>
  )
}
