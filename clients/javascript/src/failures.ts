/** An error of an answer or of a stream, as GraphQL describes it. */
export interface GraphQLError {
  message: string;
  path?: readonly (string | number)[];
  extensions?: { code?: string; retryAfterSeconds?: number; [name: string]: unknown };
}

/**
 * The server refused a request or a stream. `code` is that of the first error; docs/live.md and the schema list codes.
 * The client adds CONNECTION_REFUSED, for a websocket that the server keeps closing as faulty (`closeCode` in the
 * extensions), and BAD_RESPONSE, for an answer over HTTP that is not GraphQL (`status` in the extensions).
 */
export class GraphQLFailure extends Error {
  override readonly name = 'GraphQLFailure';

  constructor(readonly errors: readonly GraphQLError[]) {
    super(errors[0]?.message ?? 'The server gave no reason');
  }

  get code(): string | undefined {
    return this.errors[0]?.extensions?.code;
  }

  /** Seconds to wait before the next try, for RATE_LIMITED and UNAVAILABLE. */
  get retryAfterSeconds(): number | undefined {
    return this.errors[0]?.extensions?.retryAfterSeconds;
  }
}

export function failure(code: string, message: string, details: Record<string, unknown> = {}): GraphQLFailure {
  return new GraphQLFailure([{ message, extensions: { code, ...details } }]);
}
