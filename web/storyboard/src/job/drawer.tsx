import type { ComponentChildren } from 'preact'

import { Button } from '../parts/button'
import { Icon } from '../parts/icon'
import { Drawer } from '../parts/dialog'
import { SceneStatusWord } from '../parts/status'
import { can } from './abilities'
import { Clip } from './clip'
import { useJobContext } from './context'
import { useDetails } from './details'
import { Errors } from './errors'
import { FailureNote } from './failure'
import { ratioOf } from './grid'
import { ROLE_WORDS } from './inputs'
import { Picture } from './picture'
import { TakeList } from './takes'
import { SceneTimes } from './times'
import type { Details, Input, Job, Scene } from './types'
import { nameOf, settingsInWords, stageOf } from './words'

type Props = { scene: Scene; job: Job; renewals: number; onClose: () => void }

/** The details of a scene: its clip, takes, settings, inputs and times. */
export function SceneDrawer({ scene, job, renewals, onClose }: Props) {
  const [details, end] = useDetails(scene.id, renewals)
  const still = scene.status === 'PROCESSING' ? scene.preview : scene.poster
  return (
    <Drawer title={nameOf(scene)} onClose={onClose}>
      <div class="details" style={{ '--ratio': String(ratioOf(job)) }}>
        <div class="card-line">
          <SceneStatusWord status={scene.status} stage={stageOf(scene, job.status)} />
          <SceneTimes scene={scene} jobStatus={job.status} jobStart={job.startedAt} />
        </div>
        <Clip clip={scene.output} poster={still} name={`scene ${scene.position + 1}`} />
        <p dir="auto" class="whole-prompt">
          {scene.prompt}
        </p>
        {scene.failure && <FailureNote failure={scene.failure} isRetried={scene.nextAttemptAt !== null} />}
        <OrderButton scene={scene} />
        {end && <Errors errors={[end]} />}
        {details && (
          <>
            <TakeList takes={details.takes} scene={scene} />
            <Next details={details} />
            <Times details={details} scene={scene} />
          </>
        )}
      </div>
    </Drawer>
  )
}

function OrderButton({ scene }: { scene: Scene }) {
  const { openForm } = useJobContext()
  if (can(scene, 'REGENERATE')) {
    return <Button label="Regenerate with changes" icon="sliders" onClick={() => openForm({ kind: 'regenerate', scene })} />
  }
  if (!can(scene, 'UPDATE')) return null
  return <Button label="Settings and inputs" icon="sliders" onClick={() => openForm({ kind: 'edit', scene })} />
}

/** What the next take is made with. */
function Next({ details: { settings, inputs } }: { details: Details }) {
  const facts = settingsInWords(settings)
  return (
    <Section title="Next take">
      <dl class="facts-list">
        {facts.map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
        {facts.length === 0 && <Fact name="Settings">Those of the model</Fact>}
      </dl>
      {inputs.length > 0 && (
        <ul class="input-items">
          {inputs.map((input, index) => (
            <InputLine key={index} input={input} />
          ))}
        </ul>
      )}
    </Section>
  )
}

function InputLine({ input: { role, name, asset, take } }: { input: Input }) {
  return (
    <li class="input-item">
      <div class="thumb">
        <Icon name="picture" />
        <Picture media={asset?.poster ?? take?.poster} alt="" />
      </div>
      <div class="input-words">
        <b>{ROLE_WORDS[role]}</b>
        <span dir="auto">{name ?? asset?.name ?? (take ? 'Picture of a take' : asset ? 'File' : 'The file is gone')}</span>
      </div>
    </li>
  )
}

function Times({ details, scene }: { details: Details; scene: Scene }) {
  const times: [string, string | null][] = [
    ['Created', details.createdAt],
    ['Started', scene.startedAt],
    ['Finished', scene.finishedAt],
    ['Changed', details.updatedAt],
  ]
  return (
    <Section title="Times">
      <dl class="facts-list">
        {times.map(
          ([name, at]) =>
            at && (
              <Fact key={name} name={name}>
                <time dateTime={at}>{new Date(at).toLocaleString()}</time>
              </Fact>
            ),
        )}
        <Fact name="Id">
          <code>{details.id}</code>
        </Fact>
      </dl>
    </Section>
  )
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd dir="auto">{children}</dd>
    </div>
  )
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="details-section" aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  )
}
