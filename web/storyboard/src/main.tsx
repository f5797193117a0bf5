import { render } from 'preact'

import '../../look.css'
import './shell.css'
import './parts/parts.css'
import './jobs/jobs.css'
import { Shell } from './shell'

render(<Shell />, document.getElementById('root')!)
