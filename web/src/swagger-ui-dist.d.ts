// The package has no types; these are the options that we use.
declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  export default function SwaggerUI(options: {
    url: string
    domNode: HTMLElement
    deepLinking: boolean
    validatorUrl: string | null
  }): unknown
}
