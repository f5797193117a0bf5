import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

import { defineConfig, type Plugin } from 'vite'

const API = 'http://127.0.0.1:4000'
const MIN_COMPRESSED_BYTES = 2_000

/** Writes a .gz beside each large asset, so that the server does not compress 6 MB per visitor. */
function precompress(): Plugin {
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

export default defineConfig({
  base: './', // server/explorer.py writes into the pages where it serves the assets
  plugins: [precompress()],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // data: URLs would weaken the content security policy
    chunkSizeWarningLimit: 3_000, // kB; the Monaco editor is one large chunk
    reportCompressedSize: false,
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      input: ['index.html', 'api-docs.html'],
      checks: { moduleLevelDirective: false }, // "use client" in packages that also render on servers
    },
  },
  server: {
    proxy: {
      '/graphql': { target: API, ws: true },
      '/media': API,
      '/openapi.json': API,
    },
  },
})
