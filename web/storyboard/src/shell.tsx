import { ScenewireProvider, useConnectionState } from '@scenewire/react'

import { client, isUnavailable } from './client'
import { JobPage } from './job/page'
import { NewJobDialog } from './jobs/new-job'
import { Rail } from './jobs/rail'
import { hasNoJobs } from './jobs/state'
import { Welcome } from './jobs/welcome'
import { addressOf, follow, shownJob } from './page'
import { Banner } from './parts/banner'
import { Icon } from './parts/icon'
import { Toasts } from './parts/toast'
import { signIn, token } from './session'
import { SignInPage } from './sign-in/page'

/** The page: the list of jobs as a rail, and the job that the address names beside it; or the way in. */
export function Shell() {
  return signIn !== 'none' && token.value === undefined ? <SignInPage /> : <Board />
}

function Board() {
  const jobId = shownJob.value
  const kind = jobId ? 'with-job' : hasNoJobs.value ? 'no-jobs' : ''
  return (
    <ScenewireProvider client={client}>
      <div class={`shell ${kind}`}>
        <CatchingUp />
        <Rail />
        <main class="main" id="main" tabIndex={-1}>
          {jobId && (
            <a class="back" href={addressOf(null)} onClick={(event) => follow(event, null)}>
              <Icon name="back" />
              All jobs
            </a>
          )}
          {jobId ? <JobPage key={jobId} jobId={jobId} /> : <Welcome />}
        </main>
        <NewJobDialog />
        <Toasts />
      </div>
    </ScenewireProvider>
  )
}

/** Says that what is shown may be old, while the line, the server or its database is away. */
function CatchingUp() {
  const state = useConnectionState()
  if (state !== 'reconnecting' && !isUnavailable.value) return null
  return (
    <Banner icon="spinner" tone="warn">
      Catching up: what is shown may be old
    </Banner>
  )
}
