/** Returns the path of a service, which the server writes into the page, because a proxy may add a prefix to it. */
export function address(name: 'graphql' | 'openapi'): string {
  return document.querySelector<HTMLMetaElement>(`meta[name=${name}]`)!.content
}
