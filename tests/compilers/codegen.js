// Compiles documents with GraphQL Code Generator: node codegen.js SCHEMA DOCUMENT…
// Prints the names of the files that the client preset and the TypeScript plugins generate.
import { readFileSync } from 'node:fs';
import { preset } from '@graphql-codegen/client-preset';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as operations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';

const [schemaPath, ...paths] = process.argv.slice(2);
const schema = parse(readFileSync(schemaPath, 'utf8'));
const documents = paths.map((location) => {
  const rawSDL = readFileSync(location, 'utf8');
  return { location, rawSDL, document: parse(rawSDL) };
});
const scalars = { DateTime: 'string', JSONObject: 'Record<string, unknown>', SafeInt: 'number' };
const config = { scalars, strictScalars: true };
const common = { schema, documents, config, pluginContext: {} };

const sections = await preset.buildGeneratesSection({
  ...common,
  baseOutputDir: 'gql/',
  presetConfig: {},
  pluginMap: {},
  plugins: [],
});
const plugins = [{ typescript: {} }, { operations: {} }];
sections.push({ ...common, filename: 'types.ts', plugins, pluginMap: { typescript, operations } });
for (const section of sections) {
  const written = await codegen(section);
  if (!written.trim()) throw new Error(`${section.filename} is empty`);
  console.log(section.filename);
}
