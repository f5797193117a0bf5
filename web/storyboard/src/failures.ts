/** Failures in words, and how the page reacts to each. */
import { GraphQLFailure } from '@scenewire/client'

/** An error of a payload: the caller can do something about it. */
export type UserError = { code: string; message: string; path: string[] | null; allowed?: string[] }

/** Returns whether the same request may succeed by itself later: the line or the server is away. */
export function isPassing(reason: unknown): boolean {
  return reason instanceof GraphQLFailure ? reason.code === 'UNAVAILABLE' : reason instanceof TypeError
}

/** Returns whether the server does not accept the token. */
export function isUnauthenticated(reason: unknown): boolean {
  return reason instanceof GraphQLFailure && reason.code === 'UNAUTHENTICATED'
}

/** Returns one sentence for the user. */
export function inWords(reason: unknown): string {
  if (reason instanceof GraphQLFailure) return reason.message
  if (reason instanceof TypeError) return 'The server cannot be reached.' // of fetch, whose own text differs by browser
  return reason instanceof Error ? reason.message : 'Something went wrong.'
}

/** Returns the messages of errors whose path ends in these names, such as `errorsAt(errors, 'scenes', '2', 'prompt')`. */
export function errorsAt(errors: UserError[], ...path: string[]): string[] {
  const names = ['input', ...path].join('.')
  return errors.filter((error) => error.path?.join('.') === names).map(withAllowed)
}

/** Returns an error as a sentence for the user. */
export function withAllowed({ message, allowed }: UserError): string {
  const sentence = message.replace(/^./u, (first) => first.toUpperCase()) // it may begin with the name of the field
  return allowed?.length ? `${sentence} Accepted: ${allowed.join(', ')}.` : sentence
}
