import { useCallback, useEffect, useRef, useState } from 'preact/hooks'

import { freeRole, kindOf, nextKey, type Item } from './inputs'
import type { Model } from './types'
import { upload } from './upload'

export type Uploads = {
  items: Item[]
  isBusy: boolean
  set: (change: (items: Item[]) => Item[]) => void
  add: (files: File[], model: Model | null) => void
  remove: (key: string) => void
}

/** The files of a form: uploads what is added at once, and stops what is removed or still on its way at the end. */
export function useUploads(): Uploads {
  const [items, setItems] = useState<Item[]>([])
  const running = useRef(new Map<string, AbortController>())
  const newest = useRef(items)
  newest.current = items
  useEffect(() => () => running.current.forEach((each) => each.abort()), [])

  const set = useCallback((change: (items: Item[]) => Item[]) => {
    newest.current = change(newest.current) // several changes may come before the next render
    setItems(newest.current)
  }, [])

  const send = useCallback(async (key: string, file: File) => {
    const change = (changed: Partial<Item>) =>
      set((before) => before.map((each) => (each.key === key ? { ...each, ...changed } : each)))
    const controller = new AbortController()
    running.current.set(key, controller)
    try {
      const asset = await upload(file, (sent) => change({ sent }), controller.signal)
      change({ sent: undefined, assetId: asset.id, poster: asset.poster })
    } catch (reason) {
      if (!controller.signal.aborted) change({ sent: undefined, error: (reason as Error).message })
    } finally {
      running.current.delete(key)
    }
  }, [])

  const add = useCallback((files: File[], model: Model | null) => {
    for (const file of files) {
      const item = newItem(file, model, newest.current)
      set((before) => [...before, item])
      if (!item.error) void send(item.key, file)
    }
  }, [])

  const remove = useCallback((key: string) => {
    running.current.get(key)?.abort()
    set((before) => before.filter((each) => each.key !== key))
  }, [])

  return { items, isBusy: items.some(({ sent }) => sent !== undefined), set, add, remove }
}

function newItem(file: File, model: Model | null, others: Item[]): Item {
  const kind = kindOf(file)
  const base = { key: nextKey(), name: null, label: file.name, poster: null }
  if (!kind) return { ...base, kind: 'IMAGE', role: 'REFERENCE', error: 'This is no picture, video or sound.' }
  const role = freeRole(kind, model, others)
  if (!role) return { ...base, kind, role: 'REFERENCE', error: `The model ${model?.name} takes no more files of this kind.` }
  return { ...base, kind, role, sent: 0 }
}
