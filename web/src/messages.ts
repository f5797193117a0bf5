import type { ExecutionResult } from 'graphql'
import { create } from 'zustand'

const KEPT = 200

/** A message of a subscription; `number` counts from 1. */
export type Message = { number: number; at: Date; result: ExecutionResult }

/** The messages of a tab's last subscription, newest first, and how many came in all. */
export type Received = { messages: Message[]; total: number; chosen?: Message }

const NONE: Received = { messages: [], total: 0 }

/** What the subscription of each tab received, by the id of the tab. */
export const useReceived = create<Record<string, Received>>(() => ({}))

let active = ''

/** Sets the id of the open tab, which the next operation runs in. */
export function setActiveTab(tab: string) {
  active = tab
}

/** Returns the id of the open tab. */
export function activeTab(): string {
  return active
}

/** Starts an empty list for a tab. */
export function startList(tab: string) {
  useReceived.setState({ [tab]: NONE })
}

/** Removes the list of a tab, whose response is no subscription's any more. */
export function dropList(tab: string) {
  const { [tab]: _, ...others } = useReceived.getState()
  useReceived.setState(others, true)
}

/** Removes the lists of closed tabs. */
export function keepListsOf(tabs: string[]) {
  Object.keys(useReceived.getState()).forEach((tab) => tabs.includes(tab) || dropList(tab))
}

/** Adds a message to the list of a tab. Returns the result to show: the chosen one, otherwise the newest. */
export function receive(tab: string, result: ExecutionResult): ExecutionResult {
  const { messages, total, chosen } = useReceived.getState()[tab] ?? NONE
  const message = { number: total + 1, at: new Date(), result }
  useReceived.setState({ [tab]: { messages: [message, ...messages].slice(0, KEPT), total: total + 1, chosen } })
  return (chosen ?? message).result
}

/** Chooses the message to show, or undefined to show each new one. */
export function choose(tab: string, chosen?: Message) {
  const received = useReceived.getState()[tab]
  if (received) useReceived.setState({ [tab]: { ...received, chosen } })
}
