/** Returns the path of a service of the server, which writes it into the page: it knows the path before its own. */
export function address(name: 'graphql' | 'openapi'): string {
  return document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)!.content
}
