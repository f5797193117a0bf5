import type { GraphiQLProps } from 'graphiql'

import continueFromTake from './operations/continue-from-take.graphql?raw'
import continueFromTakeVariables from './operations/continue-from-take.json?raw'
import claimTake from './operations/claim-take.graphql?raw'
import createAsset from './operations/create-asset.graphql?raw'
import createAndStart from './operations/create-and-start-job.graphql?raw'
import models from './operations/models.graphql?raw'
import regenerate from './operations/regenerate-scene.graphql?raw'
import regenerateVariables from './operations/regenerate-scene.json?raw'
import queryClips from './operations/query-clips.graphql?raw'
import queryClipsVariables from './operations/query-clips.json?raw'
import selectTake from './operations/select-take.graphql?raw'
import selectTakeVariables from './operations/select-take.json?raw'
import watch from './operations/watch-job.graphql?raw'
import watchVariables from './operations/watch-job.json?raw'

/** The tabs of the first visit; GraphiQL restores the edited ones later. */
export const tabs: NonNullable<GraphiQLProps['defaultTabs']> = [
  { query: createAndStart },
  { query: watch, variables: watchVariables },
  { query: regenerate, variables: regenerateVariables },
  { query: selectTake, variables: selectTakeVariables },
  { query: queryClips, variables: queryClipsVariables },
  { query: models },
  { query: continueFromTake, variables: continueFromTakeVariables },
  { query: createAsset },
  { query: claimTake },
]
