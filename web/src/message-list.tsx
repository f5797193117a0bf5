import { formatResult } from '@graphiql/toolkit'
import { pick, useGraphiQL } from '@graphiql/react'
import type { ExecutionResult } from 'graphql'
import { memo, useEffect } from 'react'

import { choose, keepListsOf, setActiveTab, useReceived, type Message } from './messages'

const DETAIL_CHARS = 300

/** The messages of the open tab's subscription, above the response, which shows the chosen or the newest one. */
export function MessageList() {
  const { tabs, activeTabIndex, responseEditor } = useGraphiQL(pick('tabs', 'activeTabIndex', 'responseEditor'))
  const tab = tabs[activeTabIndex]?.id ?? ''
  const received = useReceived((all) => all[tab])
  useEffect(() => setActiveTab(tab), [tab])
  useEffect(() => keepListsOf(tabs.map(({ id }) => id)), [tabs.length])
  if (!received) return null

  const { messages, total, chosen } = received
  const show = (message?: Message) => {
    choose(tab, message)
    const shown = message ?? messages[0]
    if (shown) responseEditor?.setValue(formatResult(shown.result))
  }
  return (
    <section className="scenewire-messages" aria-label="Messages">
      <header>
        <span>{countOf(total, messages.length)}</span>
        {chosen && (
          <button type="button" onClick={() => show()}>
            Show the newest
          </button>
        )}
      </header>
      <ol aria-label="Messages, newest first">
        {messages.map((message) => (
          <Row key={message.number} message={message} chosen={message === chosen} show={show} />
        ))}
      </ol>
    </section>
  )
}

function countOf(total: number, kept: number): string {
  if (total === 0) return 'Waiting for the first message'
  const count = total === 1 ? '1 message' : `${total} messages, newest first`
  return total > kept ? `${count}; the last ${kept} are listed` : count
}

type RowProps = { message: Message; chosen: boolean; show: (message?: Message) => void }

const Row = memo(
  function Row({ message, chosen, show }: RowProps) {
    const { label, detail } = describe(message.result)
    return (
      <li>
        <button type="button" aria-pressed={chosen} onClick={() => show(chosen ? undefined : message)}>
          <span className="number">{message.number}</span>
          <time dateTime={message.at.toISOString()}>{timeOf(message.at)}</time>
          <b>{label}</b>
          <span className="detail">{detail}</span>
        </button>
      </li>
    )
  },
  (before, after) => before.message === after.message && before.chosen === after.chosen,
)

function timeOf(at: Date): string {
  return `${at.toLocaleTimeString([], { hour12: false })}.${String(at.getMilliseconds()).padStart(3, '0')}`
}

/** Returns the type of a message, and the start of what it holds. */
function describe({ data, errors }: ExecutionResult): { label: string; detail: string } {
  const [field, value] = Object.entries(data ?? {})[0] ?? []
  if (errors || !field) return { label: 'Error', detail: errors?.[0]?.message ?? '' }
  if (typeof value !== 'object' || value === null) return { label: field, detail: JSON.stringify(value) }
  const { __typename, type, ...rest } = value as Record<string, unknown>
  const label = [__typename, type].filter((part) => typeof part === 'string').join(' · ') || field
  return { label, detail: JSON.stringify(rest).slice(0, DETAIL_CHARS) }
}
