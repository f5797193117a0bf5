import { DOC_EXPLORER_PLUGIN, DocExplorer } from '@graphiql/plugin-doc-explorer'
import { useGraphiQL } from '@graphiql/react'
import type { ExecutionResult } from 'graphql'
import { create } from 'zustand'

import { HOW, useAccess } from './access'

const useDocs = create<{ problem?: string }>(() => ({}))

/** Keeps why there are no docs for their pane: GraphiQL would write it over the response. */
export function introspected(answer: ExecutionResult): ExecutionResult {
  useDocs.setState({ problem: answer.data ? undefined : answer.errors?.[0]?.message })
  return answer.data ? answer : Object.assign(answer, { data: null, toJSON: () => undefined })
}

function Docs() {
  const { schema, isIntrospecting } = useGraphiQL((state) => state)
  const { refusal } = useAccess()
  const { problem } = useDocs()
  if (schema || isIntrospecting || !problem) return <DocExplorer />
  return (
    <section className="scenewire-hint" aria-label="Documentation Explorer">
      <h2>No docs here</h2>
      <p>{problem}</p>
      <p>
        {refusal ? HOW : 'The server keeps its schema to itself unless SCENEWIRE_INTROSPECTION is true; all else works.'}
      </p>
    </section>
  )
}

// In place: GraphiQL knows its documentation by this very object.
DOC_EXPLORER_PLUGIN.content = Docs
