/**
 * Returns the token for a request or a connection, or undefined for none. Called for each, so it may return a stored
 * token. After the server refused a token it is called once more with that token: return a new one.
 */
export type TokenSource = (refused?: string) => string | undefined | Promise<string | undefined>;

/** Returns when a token expires, in milliseconds since 1970; undefined for a token that is no JWT or has no `exp`. */
export function expiryOf(token: string | undefined): number | undefined {
  const claims = token?.split('.')[1];
  if (!claims) return undefined;
  try {
    const { exp } = JSON.parse(atob(claims.replace(/-/g, '+').replace(/_/g, '/')));
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
