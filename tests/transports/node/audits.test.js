// The audits of the GraphQL over HTTP working group: https://github.com/graphql/graphql-http
import test from 'node:test';
import assert from 'node:assert/strict';
import { serverAudits } from 'graphql-http';
import { http } from './address.js';

for (const audit of serverAudits({ url: http })) {
  test(`${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    assert.equal(result.status, 'ok', result.reason);
  });
}
