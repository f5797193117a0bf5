import { pick, useGraphiQL, useGraphiQLActions, useMonaco } from '@graphiql/react'
import { useEffect, useLayoutEffect } from 'react'

// The accent and the ground of look.css; Monaco takes no CSS variables.
const COLOURS = {
  light: { accent: '#2153d4', soft: '#2153d41a', ground: '#ffffff', muted: '#5e5e68', argument: '#6741b8', number: '#0a6b48', bracket: '#1e6b1e' },
  dark: { accent: '#86abff', soft: '#86abff26', ground: '#1c1c1f', muted: '#a6a6b0', argument: '#b6a4ff', number: '#b5cea8', bracket: '#da70d6' },
}

const DARK = matchMedia('(prefers-color-scheme: dark)')

/** Gives page and editors the colours of the chosen theme, or of the system's colour scheme while none is chosen. */
export function Theme() {
  const { theme } = useGraphiQL(pick('theme'))
  const { setTheme } = useGraphiQLActions()
  const monaco = useMonaco((state) => state.monaco)
  useEffect(() => {
    if (!monaco) return
    monaco.editor.defineTheme('graphiql-LIGHT', themeOf('light'))
    monaco.editor.defineTheme('graphiql-DARK', themeOf('dark'))
    setTheme(theme)
  }, [monaco])
  useLayoutEffect(() => {
    const apply = () => {
      document.documentElement.dataset.scheme = theme ?? (DARK.matches ? 'dark' : 'light')
      if (!theme) setTheme(null) // Monaco reads the scheme of the system then
    }
    apply()
    DARK.addEventListener('change', apply)
    return () => DARK.removeEventListener('change', apply)
  }, [theme, setTheme])
  return null
}

function themeOf(scheme: 'light' | 'dark') {
  const { accent, soft, ground, muted, argument, number, bracket } = COLOURS[scheme]
  const raised = ['editorHoverWidget', 'menu', 'editorSuggestWidget', 'quickInput', 'editorWidget']
  const accented = ['textLink.foreground', 'textLink.activeForeground', 'editorLink.activeForeground', 'focusBorder']
  return {
    base: scheme === 'dark' ? ('vs-dark' as const) : ('vs' as const),
    inherit: true,
    rules: [
      { token: 'argument.identifier.gql', foreground: argument },
      { token: 'number', foreground: number },
    ],
    colors: {
      'editor.background': '#ffffff00',
      'scrollbar.shadow': '#ffffff00',
      'editorBracketHighlight.foreground2': bracket,
      'editorLineNumber.foreground': muted,
      'editorLineNumber.dimmedForeground': muted,
      'editorSuggestWidget.selectedBackground': soft,
      'editorSuggestWidget.selectedForeground': accent,
      'list.hoverBackground': soft,
      'list.highlightForeground': accent,
      ...Object.fromEntries(raised.map((name) => [`${name}.background`, ground])),
      ...Object.fromEntries(accented.map((name) => [name, accent])),
    },
  }
}
