import { readFileSync } from 'node:fs';

export const FEED = readFileSync(new URL('feed.graphql', import.meta.url), 'utf8');
export const SHOWN = FEED.slice(FEED.indexOf('fragment'));
