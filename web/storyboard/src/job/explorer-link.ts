import { written } from '../page'

/** Returns the address of a job in the explorer, which the server serves to browsers at the path of the API. */
export function explorerAddress(jobId: string): string {
  return `${written('graphql')}?job=${encodeURIComponent(jobId)}`
}
