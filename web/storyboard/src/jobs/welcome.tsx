import { Button } from '../parts/button'
import { Icon } from '../parts/icon'
import { openNewJob } from './new-job'
import { hasNoJobs, list } from './state'

/** What stands beside the list while no job is chosen. */
export function Welcome() {
  if (!list.value?.rows.value) return null
  return hasNoJobs.value ? <FirstJob /> : <ChooseJob />
}

function FirstJob() {
  return (
    <section class="welcome">
      <Icon name="film" size={48} />
      <h1>Make your first job</h1>
      <p>A job is a list of scenes. Each prompt becomes a clip, and the clips become one video.</p>
      <Button class="big" label="New job" icon="add" kind="primary" data-opens="new-job" onClick={openNewJob} />
    </section>
  )
}

function ChooseJob() {
  return (
    <section class="welcome">
      <Icon name="film" size={48} />
      <h1>Choose a job</h1>
      <p>Its scenes, its video and what can be done are shown here.</p>
    </section>
  )
}
