/**
 * Signing in at the issuer: the authorization code flow of OpenID Connect with PKCE (RFC 7636).
 *
 * Tokens are kept in the session storage, which ends with the tab.
 */
import * as oauth from 'oauth4webapi'

import { addressOf, shownJob, written } from '../page'
import { refusal, renewBy, setToken } from '../session'

/** What is kept while the user is at the issuer. */
type Attempt = { verifier: string; state: string; nonce: string; job: string | null }
type Session = { access: string; id: string; refresh?: string; expiresAt: number }

const ATTEMPT = 'scenewire:sign-in'
const SESSION = 'scenewire:session'
const RENEW_BEFORE_MS = 60_000
const DEFAULT_LIFETIME_SECONDS = 300

const issuer = new URL(written('issuer'))
const client: oauth.Client = { client_id: written('client-id') }
// The server accepts an issuer without encryption on this machine only.
const options = { [oauth.allowInsecureRequests]: issuer.protocol === 'http:' }
const redirectUri = new URL(written('storyboard'), location.href).href

let found: Promise<oauth.AuthorizationServer> | undefined

/** Reads the addresses of the issuer, once. */
function server(): Promise<oauth.AuthorizationServer> {
  found ??= oauth
    .discoveryRequest(issuer, { algorithm: 'oidc', ...options })
    .then((response) => oauth.processDiscoveryResponse(issuer, response))
    .catch((reason) => {
      found = undefined
      throw reason
    })
  return found
}

/** Goes to the issuer. Comes back to the page with a code, which `finish` takes. */
export async function start(): Promise<void> {
  const { authorization_endpoint: endpoint, scopes_supported: scopes = [] } = await server()
  if (!endpoint) throw new Error('The issuer names no address to sign in at.')
  const attempt: Attempt = {
    verifier: oauth.generateRandomCodeVerifier(),
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    job: shownJob.value,
  }
  sessionStorage.setItem(ATTEMPT, JSON.stringify(attempt))
  const address = new URL(endpoint)
  const parameters = {
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: ['openid', 'profile', ...scopes.filter((scope) => scope === 'offline_access')].join(' '),
    state: attempt.state,
    nonce: attempt.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(attempt.verifier),
    code_challenge_method: 'S256',
    ...audience(),
  }
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value)
  location.assign(address)
}

/** Issuers differ in how an API is named: by `audience`, or as a URL by `resource` (RFC 8707). */
function audience(): Record<string, string> {
  const name = written('audience')
  return URL.canParse(name) ? { audience: name, resource: name } : { audience: name }
}

/** Takes the answer of the issuer, which `takeAnswer` has removed from the address, and shows the job from before. */
export async function finish(answer: URLSearchParams): Promise<void> {
  const attempt = JSON.parse(sessionStorage.getItem(ATTEMPT) ?? 'null') as Attempt | null
  sessionStorage.removeItem(ATTEMPT)
  try {
    if (!attempt) throw new Error('The sign-in was not begun in this tab.')
    const as = await server()
    const code = oauth.validateAuthResponse(as, client, answer, attempt.state)
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      client,
      oauth.None(),
      code,
      redirectUri,
      attempt.verifier,
      options,
    )
    const expected = { expectedNonce: attempt.nonce, requireIdToken: true }
    keep(await oauth.processAuthorizationCodeResponse(as, client, response, expected))
  } catch (reason) {
    refusal.value = `Signing in failed: ${inWords(reason)}`
  }
  if (attempt?.job) {
    history.replaceState(null, '', addressOf(attempt.job))
    shownJob.value = attempt.job
  }
}

/** Renews tokens of this session from now on. */
export function renewTokens() {
  let renewing: Promise<string | undefined> | undefined
  renewBy(async (refused) => {
    const session = stored()
    if (!session?.refresh || (!refused && Date.now() < session.expiresAt - RENEW_BEFORE_MS)) return undefined
    renewing ??= renew(session, session.refresh).finally(() => (renewing = undefined))
    return renewing
  })
}

async function renew(session: Session, refresh: string): Promise<string | undefined> {
  try {
    const as = await server()
    const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), refresh, options)
    return keep(await oauth.processRefreshTokenResponse(as, client, response), session)
  } catch (reason) {
    // Refused: the token is used until it expires. Anything else may pass: the next request tries again.
    if (reason instanceof oauth.ResponseBodyError) store({ ...session, refresh: undefined })
    return undefined
  }
}

/** Forgets the tokens of the session. Returns the address at which the issuer ends its own, if it has one. */
export async function signOut(): Promise<string | undefined> {
  const session = stored()
  sessionStorage.removeItem(SESSION)
  const endpoint = await server().then(
    ({ end_session_endpoint: address }) => address,
    () => undefined,
  )
  if (!endpoint || !session) return undefined
  const address = new URL(endpoint)
  address.searchParams.set('id_token_hint', session.id)
  address.searchParams.set('client_id', client.client_id)
  address.searchParams.set('post_logout_redirect_uri', redirectUri)
  return address.href
}

function stored(): Session | null {
  return JSON.parse(sessionStorage.getItem(SESSION) ?? 'null') as Session | null
}

function store(session: Session) {
  sessionStorage.setItem(SESSION, JSON.stringify(session))
}

/** Stores tokens and returns the one for the API: the access token if that is a JWT, else the ID token. */
function keep(tokens: oauth.TokenEndpointResponse, before?: Session): string {
  const id = tokens.id_token ?? before?.id ?? ''
  const access = tokens.access_token.split('.').length === 3 ? tokens.access_token : id
  const lifetime = tokens.expires_in ?? DEFAULT_LIFETIME_SECONDS
  store({
    access,
    id,
    refresh: tokens.refresh_token ?? before?.refresh,
    expiresAt: Date.now() + lifetime * 1_000,
  })
  setToken(access)
  return access
}

/** Returns why the issuer refused: its own description where it gives one. */
function inWords(reason: unknown): string {
  if (reason instanceof oauth.AuthorizationResponseError || reason instanceof oauth.ResponseBodyError) {
    return reason.error_description ?? reason.error
  }
  if (reason instanceof TypeError) return 'the issuer cannot be reached.'
  return reason instanceof Error ? reason.message : String(reason)
}
