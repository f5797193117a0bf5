import '@graphiql/react/setup-workers/vite'
// Single files: graphiql/style.css includes a second copy of Monaco's styles and 260 kB of Roboto.
import '@graphiql/react/font/fira-code.css'
import '@graphiql/react/style.css'
import '@graphiql/plugin-doc-explorer/style.css'
import '@graphiql/plugin-history/style.css'
import 'graphiql/graphiql.css'
import '../look.css'
import './style.css'
import './clips.css'
import './messages.css'
import './stacked.css'

import { HISTORY_PLUGIN, GraphiQL } from 'graphiql'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

import { CLIPS } from './clips'
import { EditorOptions } from './editor-options'
import { fetcher } from './fetcher'
import { Footer } from './footer'
import { Headers } from './headers'
import { Logo } from './logo'
import { MessageList } from './message-list'
import { storage } from './storage'
import { TabBar } from './tab-bar'
import { tabs } from './tabs'
import { Theme } from './theme'

const PLUGINS = [CLIPS, HISTORY_PLUGIN]

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <GraphiQL
      fetcher={fetcher}
      storage={storage}
      defaultTabs={tabs}
      defaultEditorToolsVisibility="variables"
      plugins={PLUGINS}
      visiblePlugin={CLIPS}
    >
      <GraphiQL.Logo>
        <Logo />
      </GraphiQL.Logo>
      <GraphiQL.Footer>
        <MessageList />
        <Footer />
        <EditorOptions />
        <Headers />
        <TabBar />
        <Theme />
      </GraphiQL.Footer>
    </GraphiQL>
  </StrictMode>,
)
