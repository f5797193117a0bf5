import { DOC_EXPLORER_PLUGIN, DocExplorer } from '@graphiql/plugin-doc-explorer'
import { useGraphiQL } from '@graphiql/react'
import type { ExecutionResult } from 'graphql'
import { create } from 'zustand'

import { TOKEN_HINT, useAccess } from './access'

const useIntrospection = create<{ error?: string }>(() => ({}))

/** Stores an introspection error for the docs pane: GraphiQL would show it in place of the response. */
export function keepIntrospectionError(answer: ExecutionResult): ExecutionResult {
  useIntrospection.setState({ error: answer.data ? undefined : answer.errors?.[0]?.message })
  return answer.data ? answer : Object.assign(answer, { data: null, toJSON: () => undefined })
}

function Docs() {
  const { schema, isIntrospecting } = useGraphiQL((state) => state)
  const { authError } = useAccess()
  const { error } = useIntrospection()
  if (schema || isIntrospecting || !error) return <DocExplorer />
  return (
    <section className="scenewire-hint" aria-label="Documentation Explorer">
      <h2>No documentation</h2>
      <p>{error}</p>
      <p>
        {authError ? TOKEN_HINT : 'Introspection is off unless SCENEWIRE_INTROSPECTION is true. Operations work without it.'}
      </p>
    </section>
  )
}

// Mutated, not copied: GraphiQL identifies its documentation plugin by this object.
DOC_EXPLORER_PLUGIN.content = Docs
