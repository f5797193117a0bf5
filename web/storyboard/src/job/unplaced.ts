import { withAllowed, type UserError } from '../failures'

const FIELDS = ['prompt', 'durationSeconds', 'inputs', 'settings']

/** Returns the messages of errors that no field of the form shows. */
export function unplaced(errors: UserError[], path: string[]): string[] {
  const places = FIELDS.map((field) => ['input', ...path, field].join('.'))
  const isPlaced = (at: string) => places.some((place) => at === place || at.startsWith(`${place}.`))
  return errors.filter((error) => !isPlaced(error.path?.join('.') ?? '')).map(withAllowed)
}
