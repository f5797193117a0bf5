import 'swagger-ui-dist/swagger-ui.css'

import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js'

import { address } from './address'

SwaggerUI({
  url: address('openapi'),
  domNode: document.getElementById('root')!,
  deepLinking: true,
  validatorUrl: null, // otherwise the page sends the document to a third-party validator
})
