import { memo } from 'preact/compat'

import { addressOf, follow } from '../page'
import { Poster } from '../parts/poster'
import { ProgressBar } from '../parts/progress'
import { JobStatusWord } from '../parts/status'
import { roughly } from '../parts/time'
import { Ago } from '../parts/times'
import type { Row } from './list'

type Props = { job: Row; isShown: boolean }

/** A job in the list: its title, its posters as a strip, its status in words, and its progress while it runs. */
export const JobRow = memo(function JobRow({ job, isShown }: Props) {
  const { id, title, status, progress } = job
  const isRunning = status === 'PROCESSING' || progress.currentStage === 'ASSEMBLING'
  return (
    <li class="job-row">
      <a href={addressOf(id)} aria-current={isShown ? 'page' : undefined} onClick={(event) => follow(event, id)}>
        <span class="job-title" dir="auto">
          {title}
        </span>
        <Strip job={job} />
        <span class="job-line">
          <JobStatusWord status={status} stage={progress.currentStage} />
          <span class="job-detail">{isRunning ? <Running job={job} /> : <Ago at={job.updatedAt} />}</span>
        </span>
        {isRunning && <ProgressBar percentage={progress.percentage} label={`Progress of ${title}`} />}
      </a>
    </li>
  )
})

function Running({ job: { progress } }: { job: Row }) {
  const figure = `${Math.floor(progress.percentage)} %`
  const { etaSeconds } = progress
  return <>{etaSeconds === null ? figure : `${figure} · ${roughly(etaSeconds)} left`}</>
}

const MOST = 5

/** The posters of the first scenes; the last box counts those that have no place. */
function Strip({ job: { scenes, progress } }: { job: Row }) {
  const more = progress.total - MOST
  return (
    <span class="strip" aria-hidden="true">
      {scenes.nodes.map(({ id, poster }, index) => (
        <span class="strip-box" key={id}>
          <Poster url={poster?.url} />
          {more > 0 && index === MOST - 1 && <b>+{more + 1}</b>}
        </span>
      ))}
      {progress.total === 0 && <span class="strip-none">No scenes yet</span>}
    </span>
  )
}
