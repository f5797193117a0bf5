/** One bar, 0 to 100; null while nothing is known, when it only shows that something runs. */
export function ProgressBar({ percentage, label, tone }: { percentage: number | null; label: string; tone?: 'ok' | 'bad' }) {
  const known = percentage === null ? undefined : Math.round(percentage)
  const text = known === undefined ? 'No figure yet' : `${known} %`
  return (
    <div
      class={`bar ${tone ?? ''} ${known === undefined ? 'unknown' : ''}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={known}
      aria-valuetext={text}
    >
      <div style={{ transform: `scaleX(${(percentage ?? 0) / 100})` }} />
    </div>
  )
}
