// #region page
export function follow(url, query, jobId, onMessage) {
  let after, source, timer;
  const open = () => {
    const variables = JSON.stringify({ jobId, after });
    source = new EventSource(`${url}?${new URLSearchParams({ query, variables })}`);
    source.addEventListener('next', ({ data }) => {
      const message = JSON.parse(data).data.jobEvents;
      after = message.version ?? after; // progress has no version
      onMessage(message);
    });
    source.addEventListener('complete', () => source.close());
    source.onerror = () => {
      source.close();
      timer = setTimeout(open, 1_000);
    };
  };
  open();
  return () => (clearTimeout(timer), source.close());
}
// #endregion
