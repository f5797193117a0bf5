// Writes the manifest of persisted documents of GraphQL Code Generator: node manifest.js SCHEMA TARGET DOCUMENT…
import { readFileSync, writeFileSync } from 'node:fs';
import { preset } from '@graphql-codegen/client-preset';
import { codegen } from '@graphql-codegen/core';
import { parse } from 'graphql';

const [schemaPath, target, ...paths] = process.argv.slice(2);
const documents = paths.map((location) => {
  const rawSDL = readFileSync(location, 'utf8');
  return { location, rawSDL, document: parse(rawSDL) };
});
const sections = await preset.buildGeneratesSection({
  schema: parse(readFileSync(schemaPath, 'utf8')),
  documents,
  config: {},
  pluginContext: {},
  baseOutputDir: 'gql/',
  presetConfig: { persistedDocuments: true },
  pluginMap: {},
  plugins: [],
});
// The manifest is complete when the modules with the documents are generated.
const written = {};
for (const section of sections) written[section.filename] = await codegen(section);
writeFileSync(target, written['gql/persisted-documents.json']);
