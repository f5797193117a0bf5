// What the JavaScript clients report of a job that they show, as tests/chaos/shown_states.py reads it.

export const OWN_DOCUMENT = `subscription OwnFeed($jobId: ID!, $after: Int) {
  jobEvents(jobId: $jobId, after: $after) {
    __typename
    ... on JobSnapshot { reason version job { ...Shown } }
    ... on JobEvent { version type job { ...Shown } }
    ... on SceneProgress { sceneId scene { id percentage } progress { ...Counts } }
  }
}
fragment Shown on Job {
  id title status version metadata progress { ...Counts } scenes { nodes { id title prompt status percentage } }
}
fragment Counts on JobProgress { id version total pending processing completed failed canceled percentage }`;

export function shownState({ title, status, version, progress, scenes }) {
  const only = (value, ...names) => Object.fromEntries(names.map((name) => [name, value[name]]));
  return {
    title,
    status,
    version,
    progress: only(progress, 'version', 'pending', 'processing', 'completed', 'failed', 'canceled', 'percentage'),
    scenes: scenes.nodes.map((scene) => only(scene, 'id', 'title', 'prompt', 'status', 'percentage')),
  };
}
