/** What stands beside the list while no job is chosen. */
export function Welcome() {
  return <p>Choose a job.</p>
}
