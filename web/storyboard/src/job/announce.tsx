import { signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

import type { Job, Scene } from './types'
import { nameOf } from './words'

const COLLECT_MS = 1_500
const MAX_NAMED = 2
const WORDS: Partial<Record<Scene['status'], string>> = { COMPLETED: 'done', FAILED: 'failed', CANCELED: 'canceled' }

const announcement = signal('')

/** Lets screen readers read a sentence when they are done with what they read. */
export function announce(sentence: string) {
  announcement.value = sentence
}

/** The live region of the page: reads what `announce` gets, and scenes that settle, several of them as one sentence. */
export function Announcer({ job }: { job: Job }) {
  useSettledScenes(job)
  return (
    <p class="visually-hidden" role="status" aria-label="Changes">
      {announcement}
    </p>
  )
}

function useSettledScenes({ scenes: { nodes } }: Job) {
  const before = useRef(new Map<string, Scene['status']>())
  const settled = useRef<Scene[]>([])
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => {
    settled.current.push(...nodes.filter((scene) => isNewlySettled(scene, before.current.get(scene.id))))
    before.current = new Map(nodes.map(({ id, status }) => [id, status]))
    if (settled.current.length) timer.current ??= setTimeout(read, COLLECT_MS)
  }, [nodes])
  useEffect(() => () => clearTimeout(timer.current), [])

  function read() {
    timer.current = undefined
    announce(sentenceOf(settled.current))
    settled.current = []
  }
}

function isNewlySettled({ status }: Scene, before: Scene['status'] | undefined): boolean {
  return before !== undefined && before !== status && status in WORDS
}

function sentenceOf(scenes: Scene[]): string {
  if (scenes.length <= MAX_NAMED) return scenes.map((each) => `${nameOf(each)}: ${WORDS[each.status]}.`).join(' ')
  const counts = Object.entries(WORDS).map(([status, word]) => {
    const count = scenes.filter((each) => each.status === status).length
    return count && `${count} ${count === 1 ? 'scene' : 'scenes'} ${word}`
  })
  return `${counts.filter(Boolean).join(', ')}.`
}
