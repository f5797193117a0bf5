import { defineConfig } from 'vite'

import { precompress } from './precompress.ts'

const API = 'http://127.0.0.1:4000'

export default defineConfig(({ command }) => ({
  logLevel: command === 'build' ? 'warn' : 'info',
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
}))
