import { useEffect, useState } from 'preact/hooks'

import { client } from '../client'
import { inWords } from '../failures'
import { SceneDetailsDocument } from '../operations'
import { share } from './share'
import type { Details } from './types'

/**
 * Follows what only the drawer shows of a scene: its takes, settings and inputs; again with each of `renewals`, because
 * addresses of files have expired. Returns also why that has ended.
 */
export function useDetails(sceneId: string, renewals: number): [Details?, string?] {
  const [details, setDetails] = useState<Details>()
  const [end, setEnd] = useState<string>()
  useEffect(
    () =>
      client.subscribe(SceneDetailsDocument, { sceneId }, {
        next: ({ sceneUpdated }) => setDetails((before) => share(before, sceneUpdated)),
        end: (reason) => reason && setEnd(inWords(reason)),
      }),
    [sceneId, renewals],
  )
  return [details, end]
}
