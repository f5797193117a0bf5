import type { GraphiQLProps } from 'graphiql'

import createAndStart from './operations/create-and-start-a-job.graphql?raw'
import regenerate from './operations/regenerate-a-scene.graphql?raw'
import regenerateVariables from './operations/regenerate-a-scene.json?raw'
import seeClips from './operations/see-its-clips.graphql?raw'
import seeClipsVariables from './operations/see-its-clips.json?raw'
import takeBack from './operations/take-it-back.graphql?raw'
import takeBackVariables from './operations/take-it-back.json?raw'
import watch from './operations/watch-it.graphql?raw'
import watchVariables from './operations/watch-it.json?raw'

/** The tabs of the first visit; GraphiQL restores the edited ones later. */
export const tabs: NonNullable<GraphiQLProps['defaultTabs']> = [
  { query: createAndStart },
  { query: watch, variables: watchVariables },
  { query: regenerate, variables: regenerateVariables },
  { query: takeBack, variables: takeBackVariables },
  { query: seeClips, variables: seeClipsVariables },
]
