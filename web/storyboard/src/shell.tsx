import { isCatchingUp } from './client'
import { JobPage } from './job/page'
import { Rail } from './jobs/rail'
import { Welcome } from './jobs/welcome'
import { follow, addressOf, shownJob } from './page'
import { Banner } from './parts/banner'
import { Icon } from './parts/icon'
import { Toasts } from './parts/toast'

/** The page: the list of jobs as a rail, and the job that the address names beside it. */
export function Shell() {
  const jobId = shownJob.value
  return (
    <div class={jobId ? 'shell with-job' : 'shell'}>
      {isCatchingUp.value && (
        <Banner icon="spinner" tone="warn">
          Catching up: the server is not reachable, and what is shown may be old
        </Banner>
      )}
      <Rail />
      <main class="main">
        {jobId && (
          <a class="back" href={addressOf(null)} onClick={(event) => follow(event, null)}>
            <Icon name="back" />
            All jobs
          </a>
        )}
        {jobId ? <JobPage key={jobId} jobId={jobId} /> : <Welcome />}
      </main>
      <Toasts />
    </div>
  )
}
