/**
 * A document that knows the types of its result and variables: `TypedDocumentString` and `TypedDocumentNode` of GraphQL
 * Code Generator have this shape.
 */
export interface TypedDocument<Data, Variables> {
  __apiType?: (variables: Variables) => Data;
}

/**
 * Returns the text of a document. Throws TypeError for a parsed document without its source: the client has no printer,
 * so let GraphQL Code Generator write text (`documentMode: 'string'`).
 */
export function textOf(document: TypedDocument<unknown, never> | string): string {
  if (typeof document === 'string' || document instanceof String) return String(document);
  const { loc } = document as { loc?: { source: { body: string } } };
  if (loc) return loc.source.body;
  throw new TypeError("The document has no text: generate documents with documentMode: 'string'");
}
