// Generates the types of @scenewire/client: node client.js SCHEMA FOLDER TARGET
// Writes schema.ts (the types of the schema) and operations.ts (the documents of FOLDER and their types) into TARGET.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as operations from '@graphql-codegen/typescript-operations';
import { parse } from 'graphql';

const HEAD = '// Generated from the schema by `make client-types`.\n';
const [schemaPath, folder, target] = process.argv.slice(2);
const documents = readdirSync(folder)
  .sort()
  .map((name) => {
    const location = path.join(folder, name);
    const rawSDL = readFileSync(location, 'utf8');
    return { location, rawSDL, document: parse(rawSDL) };
  });
const config = {
  scalars: { DateTime: 'string', JSONObject: 'Record<string, unknown>', SafeInt: 'number', ID: 'string' },
  strictScalars: true,
  enumsAsTypes: true,
  skipTypename: true,
  useTypeImports: true,
};
const common = { schema: parse(readFileSync(schemaPath, 'utf8')), pluginContext: {}, config };

writeFileSync(
  path.join(target, 'schema.ts'),
  HEAD +
    (await codegen({
      ...common,
      filename: 'schema.ts',
      documents: [],
      plugins: [{ typescript: {} }],
      pluginMap: { typescript },
    })),
);
const types = await codegen({
  ...common,
  filename: 'operations.ts',
  documents,
  plugins: [{ operations: {} }],
  pluginMap: { operations },
});
const texts = documents.map(({ location, rawSDL }) => {
  const name = path.basename(location, '.graphql').toUpperCase().replaceAll('-', '_');
  return `export const ${name} =\n  '${rawSDL.trim().replace(/\s+/g, ' ')}';\n`;
});
writeFileSync(path.join(target, 'operations.ts'), `${HEAD}${types}\n${texts.join('\n')}`);
