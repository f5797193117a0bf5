import { written } from '../page'

/** Returns the address of a job in the explorer; undefined while that is off. */
export function explorerAddress(jobId: string): string | undefined {
  const path = written('explorer')
  return path && `${path}?job=${encodeURIComponent(jobId)}`
}
