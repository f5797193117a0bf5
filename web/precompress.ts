import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

import type { Plugin } from 'vite'

const MIN_COMPRESSED_BYTES = 2_000

/** Writes a .gz beside each large asset, so that the server does not compress 6 MB per visitor. */
export function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    async writeBundle({ dir = '' }, bundle) {
      const large = Object.values(bundle).filter((file) => {
        const content = file.type === 'chunk' ? file.code : file.source
        return file.fileName.startsWith('assets/') && content.length > MIN_COMPRESSED_BYTES
      })
      await Promise.all(
        large.map(({ fileName }) => {
          const path = join(dir, fileName)
          return pipeline(createReadStream(path), createGzip(), createWriteStream(`${path}.gz`))
        }),
      )
    },
  }
}
