import { createClient } from '@scenewire/client';
import { FEED } from './feed.js';

// #region page
export function connect(url, onState) {
  return createClient({ url, onState, token: () => globalThis.process?.env.SCENEWIRE_TOKEN });
}

export function follow(client, jobId, { show, end }) {
  return client.followJob(jobId, { show, end }, FEED); // without FEED, a document of the client
}
// #endregion
