// Compiles documents with relay-compiler: node relay.js FOLDER SCHEMA DOCUMENT…
// Relay requires documents in modules, and operations and fragments named after the module, so this writes a module for
// each document into FOLDER. Prints the names of the artifacts.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import compiler from 'relay-compiler';

import { Kind, parse, print, visit } from 'graphql';

const [folder, schemaPath, ...paths] = process.argv.slice(2);
const capitalized = (name) => name[0].toUpperCase() + name.slice(1);

function inModule(module, document) {
  const named = (node, value) => ({ ...node, name: { ...node.name, value } });
  const renamed = visit(document, {
    [Kind.OPERATION_DEFINITION]: (node) => named(node, `${module}${node.name.value}${capitalized(node.operation)}`),
    [Kind.FRAGMENT_DEFINITION]: (node) => named(node, `${module}_${node.name.value}`),
    [Kind.FRAGMENT_SPREAD]: (node) => named(node, `${module}_${node.name.value}`),
  });
  return renamed.definitions.map((node) => `graphql\`${print(node)}\`;\n`).join('');
}

mkdirSync(join(folder, 'src', '__generated__'), { recursive: true });
copyFileSync(schemaPath, join(folder, 'schema.graphql'));
for (const path of paths) {
  const module = basename(path, '.graphql').replaceAll(/\W(\w)/g, (_, letter) => letter.toUpperCase());
  const tagged = inModule(module, parse(readFileSync(path, 'utf8')));
  writeFileSync(join(folder, 'src', `${module}.js`), `import { graphql } from 'relay-runtime';\n${tagged}`);
}
const config = {
  src: './src',
  schema: './schema.graphql',
  language: 'typescript',
  artifactDirectory: './src/__generated__',
  persistConfig: { file: './persisted.json' },
  customScalarTypes: { DateTime: 'string', SafeInt: 'number' },
};
writeFileSync(join(folder, 'persisted.json'), '{}'); // relay-compiler adds to a manifest that exists
writeFileSync(join(folder, 'relay.config.json'), JSON.stringify(config));
execFileSync(compiler, ['relay.config.json'], { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
for (const name of readdirSync(join(folder, 'src', '__generated__')).sort()) console.log(name);
