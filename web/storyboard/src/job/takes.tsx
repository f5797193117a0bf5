import { useState } from 'preact/hooks'

import { Button } from '../parts/button'
import { Icon } from '../parts/icon'
import { SceneStatusWord } from '../parts/status'
import { spanBetween } from '../parts/time'
import { Ago } from '../parts/times'
import { can } from './abilities'
import { announce } from './announce'
import { useBusy } from './card-actions'
import { Clip } from './clip'
import { useJobContext } from './context'
import { Errors } from './errors'
import { FailureNote } from './failure'
import type { Scene, Take } from './types'
import { reasonWord, settingsInWords } from './words'

/** The takes of a scene side by side, newest first. */
export function TakeList({ takes, scene }: { takes: Take[]; scene: Scene }) {
  const [refusal, setRefusal] = useState<string>()
  return (
    <section class="details-section" aria-label="Takes">
      <h3>{takes.length === 1 ? '1 take' : `${takes.length} takes`}</h3>
      {refusal && <Errors errors={[refusal]} />}
      <ul class="takes">
        {takes.map((take) => (
          <TakeCard key={take.id} take={take} scene={scene} onRefusal={setRefusal} />
        ))}
      </ul>
    </section>
  )
}

type Props = { take: Take; scene: Scene; onRefusal: (refusal: string | undefined) => void }

function TakeCard({ take, scene, onRefusal }: Props) {
  const isShown = take.isCurrent && scene.status === 'COMPLETED'
  return (
    <li class={isShown ? 'take current' : 'take'} aria-label={`Take ${take.number}`}>
      <Clip clip={take.output} poster={take.poster} name={`take ${take.number}`} />
      <div class="card-line">
        <b>Take {take.number}</b>
        <SceneStatusWord status={take.status} />
      </div>
      <p class="times">
        {reasonWord(take)} · <Ago at={take.finishedAt ?? take.startedAt ?? take.createdAt} />
      </p>
      {take.prompt !== scene.prompt && (
        <p class="take-prompt" dir="auto">
          {take.prompt}
        </p>
      )}
      {take.failure && take.id !== scene.currentTake?.id && <FailureNote failure={take.failure} />}
      <TakeFacts take={take} />
      {isShown ? (
        <p class="shown-word">
          <Icon name="check" /> Shown in the video
        </p>
      ) : (
        <UseButton {...{ take, scene, onRefusal }} />
      )}
    </li>
  )
}

function UseButton({ take, scene, onRefusal }: Props) {
  const { actions } = useJobContext()
  const [busy, run] = useBusy()
  if (take.status !== 'COMPLETED' || !can(scene, 'SELECT_TAKE')) return null
  async function use() {
    const refusal = await actions.selectTake(take.id)
    onRefusal(refusal)
    if (refusal === undefined) announce(`Take ${take.number} is used.`)
  }
  return <Button label="Use this one" aria-label={`Use take ${take.number}`} icon="check" busy={busy} onClick={() => run(use)} />
}

function TakeFacts({ take }: { take: Take }) {
  const facts = settingsInWords(take.settings).map(([name, value]) => `${name} ${value}`)
  if (take.startedAt && take.finishedAt) facts.unshift(`Took ${spanBetween(take.startedAt, take.finishedAt)}`)
  if (take.cost) facts.push(`Cost ${take.cost.amount} ${take.cost.currency}`)
  if (take.ignored.length) facts.push(`Without effect: ${take.ignored.join(', ')}`)
  return facts.length ? <p class="hint take-facts">{facts.join(' · ')}</p> : null
}
