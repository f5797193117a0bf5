const PATHS: Record<string, string> = {
  PENDING: 'M8 4.5V8l2.5 1.5',
  PROCESSING: 'M8 4v4H4.5',
  COMPLETED: 'M5 8.2l2.2 2.3L11 5.8',
  FAILED: 'M8 4.5v4M8 11v.2',
  CANCELED: 'M5.5 5.5l5 5',
}

/** The status of a scene as an icon and a word. */
export function Status({ status }: { status: string }) {
  return (
    <span className={`scenewire-status ${status}`}>
      <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" aria-hidden="true">
        <circle cx="8" cy="8" r="6.5" />
        <path d={PATHS[status]} />
      </svg>
      {status}
    </span>
  )
}
