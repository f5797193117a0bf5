import { render } from 'preact'

import '../../look.css'
import './shell.css'
import './parts/parts.css'
import './jobs/jobs.css'
import './sign-in/sign-in.css'
import { takeAnswer } from './page'
import { signIn } from './session'
import { Shell } from './shell'

if (signIn === 'oidc') {
  const answer = takeAnswer() // before anything else: the code must not stay in the address
  const oidc = await import('./sign-in/oidc')
  oidc.renewTokens()
  if (answer) await oidc.finish(answer)
}
render(<Shell />, document.getElementById('root')!)
