import { ScenewireProvider, useJob, useJobs } from '@scenewire/react';

// #region page
export function App({ client }) {
  return (
    <ScenewireProvider client={client}>
      <Jobs />
    </ScenewireProvider>
  );
}

function Jobs() {
  const { jobs, state } = useJobs({ status: ['PENDING', 'PROCESSING'] });
  return (
    <main>
      {state === 'reconnecting' && <p role="status">Catching up</p>}
      {jobs?.map(({ id }) => <Job key={id} id={id} />)}
      {jobs?.length === 0 && <p>No job is running.</p>}
    </main>
  );
}

function Job({ id }) {
  const { job, error } = useJob(id);
  if (error) return <p role="alert">{error.message}</p>;
  return job ? <progress aria-label={job.title} value={job.progress.percentage} max="100" /> : null;
}
// #endregion
