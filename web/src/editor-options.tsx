import { pick, useGraphiQL, type MonacoEditor } from '@graphiql/react'
import { useEffect } from 'react'

const OPTIONS = {
  fontSize: 13,
  wordWrap: 'on',
  wrappingIndent: 'indent',
  lineNumbersMinChars: 2,
  scrollbar: { alwaysConsumeMouseWheel: false, useShadows: false }, // the page scrolls where the panes are stacked
} as const

const NAMES = { queryEditor: 'Operation', variableEditor: 'Variables', headerEditor: 'Headers', responseEditor: 'Response' }

/** Names the editors, wraps long lines, and shrinks font and margins: the clips pane makes the editors narrow. */
export function EditorOptions() {
  const editors = useGraphiQL(
    pick('queryEditor', 'variableEditor', 'headerEditor', 'responseEditor'),
  ) as Record<string, MonacoEditor | undefined>
  useEffect(() => {
    for (const [key, ariaLabel] of Object.entries(NAMES)) editors[key]?.updateOptions({ ...OPTIONS, ariaLabel })
  }, Object.values(editors))
  return null
}
