import { useCallback, useEffect, useMemo, useState } from 'preact/hooks'

import './job.css'
import { GraphQLFailure } from '@scenewire/client'

import { inWords } from '../failures'
import { addressOf, follow, written } from '../page'
import { Button } from '../parts/button'
import { Icon } from '../parts/icon'
import { readServerClock } from '../parts/time'
import { createActions } from './actions'
import { Announcer } from './announce'
import { abilitiesOf } from './abilities'
import { JobContextProvider, type OpenForm } from './context'
import { SceneDrawer } from './drawer'
import { SceneForm } from './form'
import { SceneGrid } from './grid'
import { JobHeader } from './header'
import type { Job } from './types'
import { useFollowed } from './use-followed'
import { JobVideo } from './video'

void readServerClock(written('storyboard'))

/** The page of one job; it is always what the server has, with the changes that are on their way to it. */
export function JobPage({ jobId }: { jobId: string }) {
  const { followed, job, end, renew, renewals } = useFollowed(jobId)
  const [form, openForm] = useState<OpenForm>()
  const [detailsOf, openDetails] = useState<string>()
  const actions = useMemo(() => createActions(jobId, followed), [jobId, followed])
  const context = useMemo(() => ({ actions, openForm, openDetails, renew }), [actions, renew])
  const closeForm = useCallback(() => openForm(undefined), [])
  const closeDetails = useCallback(() => openDetails(undefined), [])
  const detailed = job?.scenes.nodes.find(({ id }) => id === detailsOf)
  useTitle(job?.title)
  useEffect(() => {
    if (job && !detailed) openDetails(undefined) // its scene was deleted: it must not open again when that is restored
  }, [job, detailed])
  if (end !== undefined && (!job || end === null)) return <Ended reason={end} />
  if (!job) return <Loading />
  return (
    <JobContextProvider value={context}>
      <article class="job-page">
        {job.deletedAt && <Deleted restore={actions.restore} />}
        {end && <p class="note bad" role="alert">{`This page no longer follows the job: ${inWords(end)}`}</p>}
        <div class="job-top">
          <JobVideo job={job} />
          <JobHeader job={job} />
        </div>
        <SceneGrid job={job} canAdd={abilitiesOf(job).edit} />
        <Announcer job={job} />
      </article>
      {detailed && <SceneDrawer key={detailed.id} scene={detailed} {...{ job, renewals }} onClose={closeDetails} />}
      {form && <SceneForm form={form} job={job} onClose={closeForm} />}
    </JobContextProvider>
  )
}

function Loading() {
  return (
    <div class="job-page loading" role="status">
      <span class="visually-hidden">The job is loading</span>
      <div class="job-top" aria-hidden="true">
        <div class="job-video empty">
          <div class="video-box" />
          <div class="player" />
        </div>
        <div class="job-header">
          <div class="line" />
          <div class="line short" />
        </div>
      </div>
    </div>
  )
}

function Deleted({ restore }: { restore: () => Promise<unknown> }) {
  return (
    <div class="note warn deleted">
      <Icon name="trash" />
      <p>This job is deleted.</p>
      <Button label="Restore" icon="undo" onClick={() => void restore()} />
    </div>
  )
}

/** What is shown when there is no job to follow. */
function Ended({ reason }: { reason: Error | null }) {
  const isMissing = reason === null || (reason instanceof GraphQLFailure && reason.code === 'NOT_FOUND')
  return (
    <div class="job-page ended">
      <Icon name={isMissing ? 'film' : 'warn'} size={32} />
      <h1>{isMissing ? 'This job does not exist' : 'This job cannot be shown'}</h1>
      <p class="hint">{isMissing ? 'It was deleted, or it belongs to another user.' : inWords(reason)}</p>
      <a class="button" href={addressOf(null)} onClick={(event) => follow(event, null)}>
        All jobs
      </a>
    </div>
  )
}

function useTitle(title: Job['title'] | undefined) {
  useEffect(() => {
    const before = document.title
    if (title) document.title = `${title} · Scenewire`
    return () => {
      document.title = before
    }
  }, [title])
}
