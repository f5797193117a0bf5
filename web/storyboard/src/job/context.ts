import { createContext } from 'preact'
import { useContext } from 'preact/hooks'

import type { Actions } from './actions'
import type { Scene } from './types'

/** A form that is open: for a new scene, for what the next take is made with, or for a new take. */
export type OpenForm = { kind: 'add' } | { kind: 'edit' | 'regenerate'; scene: Scene; files?: File[] }

export type JobContext = {
  actions: Actions
  openForm: (form: OpenForm) => void
  openDetails: (sceneId: string) => void
  /** Requests new addresses of files, because one has expired. */
  renew: () => void
}

const Context = createContext<JobContext | undefined>(undefined)

export const JobContextProvider = Context.Provider

/** Returns what the parts of the page of a job share. */
export function useJobContext(): JobContext {
  const context = useContext(Context)
  if (!context) throw new Error('This component is used outside of the page of a job.')
  return context
}
