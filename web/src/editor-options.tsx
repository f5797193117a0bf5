import { useGraphiQL, type MonacoEditor } from '@graphiql/react'
import { useEffect } from 'react'

const OPTIONS = { fontSize: 13, wordWrap: 'on', wrappingIndent: 'indent' } as const

/** Makes room: with the clips beside them the editors are narrow. */
export function EditorOptions() {
  const query = useGraphiQL((state) => state.queryEditor)
  const variables = useGraphiQL((state) => state.variableEditor)
  const response = useGraphiQL((state) => state.responseEditor)
  useEffect(() => {
    for (const editor of [query, variables, response] as (MonacoEditor | undefined)[]) editor?.updateOptions(OPTIONS)
  }, [query, variables, response])
  return null
}
