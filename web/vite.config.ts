import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

import { defineConfig, type Plugin } from 'vite'

const API = 'http://127.0.0.1:4000'
const WORTH_PACKING_BYTES = 2_000

/** Leaves a .gz beside each large file, so that the server need not pack 6 MB for every new visitor. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    async writeBundle({ dir = '' }, bundle) {
      const large = Object.values(bundle).filter((file) => {
        const content = file.type === 'chunk' ? file.code : file.source
        return file.fileName.startsWith('assets/') && content.length > WORTH_PACKING_BYTES
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
  base: '/explorer/', // server/explorer.py serves the assets there
  plugins: [packed()],
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // data: addresses would need holes in a content security policy
    chunkSizeWarningLimit: 3_000, // kB; Monaco, the editor, is one large piece
    reportCompressedSize: false,
    rolldownOptions: {
      checks: { moduleLevelDirective: false }, // "use client" in packages that render on servers too
    },
  },
  server: {
    proxy: {
      '/graphql': { target: API, ws: true },
      '/media': API,
    },
  },
})
