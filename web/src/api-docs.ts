import 'swagger-ui-dist/swagger-ui.css'

import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js'

import { address } from './address'

SwaggerUI({
  url: address('openapi'),
  domNode: document.getElementById('root')!,
  deepLinking: true,
  validatorUrl: null, // else the page asks a server of others to validate the document
})
