// Follows jobs with useJob of @scenewire/react: `follow(jobIds)` reports what the page has after each render.
import { createClient } from '@scenewire/client';
import { ScenewireProvider, useJob } from '@scenewire/react';
import { createElement, useLayoutEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';
import { OWN_DOCUMENT, shownState } from './shown.js';

function Job({ jobId, document }) {
  const { job, error } = useJob(jobId, document);
  const element = useRef(null);
  useLayoutEffect(() => {
    const at = Date.now() / 1000;
    if (error) report({ at, jobId, end: String(error) });
    else if (job) report({ at, jobId, shown: JSON.parse(element.current.textContent) });
  });
  return createElement('pre', { ref: element }, job && JSON.stringify(shownState(job)));
}

window.follow = (jobIds) => {
  const client = createClient({ url: '/graphql' });
  const jobs = jobIds.map((jobId, index) =>
    createElement(Job, { key: jobId, jobId, document: index === 0 ? OWN_DOCUMENT : undefined }),
  );
  createRoot(document.body).render(createElement(ScenewireProvider, { client }, jobs));
};
