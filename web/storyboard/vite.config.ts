import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vite'

import { precompress } from '../precompress.ts'
import { documents } from './documents.ts'

const API = 'http://127.0.0.1:4000'
const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig(({ command }) => ({
  logLevel: command === 'build' ? 'warn' : 'info',
  root: folder('.'),
  base: './', // server/storyboard.py writes into the page where it serves the assets
  plugins: [documents(), precompress()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: {
    alias: [
      { find: '@scenewire/client', replacement: folder('../../clients/javascript/src/index.ts') },
      { find: '@scenewire/react', replacement: folder('../../clients/react/src/index.ts') },
      { find: /^react\/jsx-runtime$/, replacement: folder('../node_modules/preact/jsx-runtime') },
      { find: /^react(-dom)?$/, replacement: folder('../node_modules/preact/compat') },
    ],
    // The sources of the clients are outside of this package, so their imports are resolved from here.
    dedupe: ['graphql-ws'],
  },
  build: {
    outDir: folder('../dist/storyboard'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // data: URLs would weaken the content security policy
    reportCompressedSize: false,
    license: { fileName: 'licenses.md' },
  },
  server: {
    proxy: {
      '/graphql': { target: API, ws: true },
      '/media': API,
      '/uploads': API,
    },
  },
}))
