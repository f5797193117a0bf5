import type { GraphiQLProps } from 'graphiql'

const HISTORY = ['graphiql:queries', 'graphiql:favorites']

/** The browser's storage, where the history of operations goes without their headers: a token does not belong there. */
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
