/**
 * Returns the path of a service, which the server writes into the page, because a proxy may add a prefix to it; empty for
 * one that is off.
 */
export function address(name: 'graphql' | 'openapi' | 'storyboard'): string {
  return document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)!.content
}

const JOB = 'job' // the storyboard names it the same

/** Returns the id of the job that this page was opened for. */
export function jobInAddress(): string | undefined {
  return new URLSearchParams(location.search).get(JOB) ?? undefined
}

/** Names the job in the address of this page, so that a reload and a shared link show it. */
export function nameJobInAddress(jobId?: string) {
  const url = new URL(location.href)
  if (jobId) url.searchParams.set(JOB, jobId)
  else url.searchParams.delete(JOB)
  if (url.href !== location.href) history.replaceState(history.state, '', url)
}

/** Returns the address of a job in the storyboard; undefined while that is off. */
export function storyboardOf(jobId: string): string | undefined {
  const path = address('storyboard')
  return path && `${path}?${new URLSearchParams({ [JOB]: jobId })}`
}
