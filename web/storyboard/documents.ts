import { createHash } from 'node:crypto'

import type { Plugin } from 'vite'

import * as ofClient from '../../clients/javascript/src/operations.ts'
import * as ofPage from './src/operations/index.ts'

const OPERATION = /^\s*(query|mutation|subscription)\b/

/** Writes the documents that the page sends, by their hash: servers that execute trusted documents only accept them. */
export function documents(): Plugin {
  return {
    name: 'documents',
    apply: 'build',
    generateBundle() {
      const texts = [...Object.values(ofPage), ...Object.values(ofClient)]
        .filter((each) => typeof each === 'string' || each instanceof String)
        .map(String)
        .filter((text) => OPERATION.test(text))
      const manifest = Object.fromEntries(texts.map((text) => [createHash('sha256').update(text).digest('hex'), text]))
      this.emitFile({ type: 'asset', fileName: 'documents.json', source: JSON.stringify(manifest) })
    },
  }
}
