import type { GraphiQLProps } from 'graphiql'

const HISTORY = ['graphiql:queries', 'graphiql:favorites']

/** localStorage, but the history of operations is stored without headers, since they hold tokens. */
export const storage: GraphiQLProps['storage'] = {
  getItem: (key) => localStorage.getItem(key),
  setItem: (key, value) => localStorage.setItem(key, HISTORY.includes(key) ? withoutHeaders(value) : value),
  removeItem: (key) => localStorage.removeItem(key),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length
  },
}

function withoutHeaders(history: string): string {
  return JSON.stringify(JSON.parse(history), (name, value) => (name === 'headers' ? undefined : value))
}
