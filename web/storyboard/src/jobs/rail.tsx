/** The list of jobs. */
export function Rail() {
  return <nav class="rail" aria-label="Jobs" />
}
