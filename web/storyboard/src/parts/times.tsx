import { ago, inSpan, useNow } from './time'

/** Time since an instant, which ticks: "2 min 05 s". */
export function Elapsed({ since }: { since: string }) {
  const now = useNow()
  return <time dateTime={since}>{inSpan((now.value - Date.parse(since)) / 1_000)}</time>
}

/** Time until an instant, which ticks down to "0 s". */
export function Countdown({ to }: { to: string }) {
  const now = useNow()
  return <time dateTime={to}>{inSpan((Date.parse(to) - now.value) / 1_000)}</time>
}

/** How long ago an instant was: "5 min ago". */
export function Ago({ at }: { at: string }) {
  const now = useNow()
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {ago(at, now.value)}
    </time>
  )
}
