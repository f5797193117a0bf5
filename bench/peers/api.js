// The API of the benchmark for servers in JavaScript: type definitions, and resolvers on an SQLite file.
import Database from "better-sqlite3";

export const typeDefs = /* GraphQL */ `
  type Query {
    jobs(first: Int!): JobConnection!
    job(id: ID!): Job
  }
  type Mutation {
    updateScene(input: UpdateSceneInput!): ScenePayload!
  }
  type Subscription {
    jobEvents(jobId: ID!, after: Int): JobFeedMessage!
    jobProgress(jobId: ID!, minIntervalMs: Int): JobProgress!
  }
  type JobConnection {
    nodes: [Job!]!
  }
  type SceneConnection {
    nodes: [Scene!]!
  }
  type Job {
    id: ID!
    title: String!
    status: String!
    version: Int!
    createdAt: String!
    updatedAt: String!
    progress: JobProgress!
    scenes: SceneConnection!
  }
  type JobProgress {
    total: Int!
    pending: Int!
    processing: Int!
    completed: Int!
    failed: Int!
    canceled: Int!
    percentage: Float!
    version: Int!
    updatedAt: String!
  }
  type Scene {
    id: ID!
    jobId: ID!
    position: Int!
    title: String
    prompt: String!
    status: String!
    percentage: Float
    durationSeconds: Float!
    attempts: Int!
    version: Int!
    createdAt: String!
    updatedAt: String!
  }
  type JobSnapshot {
    version: Int!
  }
  type JobEvent {
    version: Int!
    type: String!
    sceneId: ID
    occurredAt: String!
    scene: Scene
    progress: JobProgress!
  }
  union JobFeedMessage = JobSnapshot | JobEvent
  type UserError {
    message: String!
  }
  type ScenePayload {
    scene: Scene
    errors: [UserError!]!
  }
  input UpdateSceneInput {
    sceneId: ID!
    title: String
  }
`;

const JOB = "id, title, status, version, created_at, updated_at, pending, processing, completed, failed, canceled";
const SCENE =
  "id, job_id, position, title, prompt, status, percentage, duration_seconds, attempts, version, created_at, updated_at";

const instant = (text) => `${text.slice(0, 10)}T${text.slice(11)}Z`;
const stored = (date) => date.toISOString().replace("T", " ").replace("Z", "000");

const job = (row) => ({ ...row, createdAt: instant(row.created_at), updatedAt: instant(row.updated_at) });
const scene = (row) => ({
  id: row.id,
  jobId: row.job_id,
  position: row.position,
  title: row.title,
  prompt: row.prompt,
  status: row.status,
  percentage: row.percentage,
  durationSeconds: row.duration_seconds,
  attempts: row.attempts,
  version: row.version,
  createdAt: instant(row.created_at),
  updatedAt: instant(row.updated_at),
});

export function open(file) {
  const db = new Database(file);
  for (const pragma of ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000"]) {
    db.pragma(pragma);
  }
  const jobs = db.prepare(
    `SELECT ${JOB} FROM job WHERE owner_id = 'local' AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT ?`,
  );
  const one = db.prepare(`SELECT ${JOB} FROM job WHERE id = ?`);
  const highWater = db
    .prepare(
      "SELECT coalesce(sum(high_water), 0.0) FROM scene WHERE job_id = ? AND deleted_at IS NULL AND status <> 'COMPLETED'",
    )
    .pluck();
  const scenes = new Map();
  const scenesOf = (ids) => {
    if (!scenes.has(ids.length)) {
      const marks = ids.map(() => "?").join(", ");
      scenes.set(
        ids.length,
        db.prepare(
          `SELECT ${SCENE} FROM scene WHERE job_id IN (${marks}) AND deleted_at IS NULL ORDER BY job_id, position`,
        ),
      );
    }
    return scenes.get(ids.length).all(ids);
  };
  const oneScene = db.prepare(`SELECT ${SCENE} FROM scene WHERE id = ?`);
  const bump = db.prepare("UPDATE job SET version = version + 1, updated_at = ? WHERE id = ? RETURNING version");
  const change = db.prepare("UPDATE scene SET title = ?, version = ?, updated_at = ? WHERE id = ?");
  const append = db.prepare(
    "INSERT INTO event (job_id, version, type, scene_id, actor_id, changed, occurred_at) " +
      "VALUES (?, ?, 'SCENE_UPDATED', ?, 'local', '[\"title\"]', ?)",
  );
  const update = db.transaction((id, title) => {
    const now = stored(new Date());
    const { job_id: jobId } = oneScene.get(id);
    const { version } = bump.get(now, jobId);
    change.run(title, version, now, id);
    append.run(jobId, version, id, now);
    return scene(oneScene.get(id));
  });

  function progress(row) {
    const { pending, processing, completed, failed, canceled, version } = row;
    const total = pending + processing + completed + failed + canceled;
    const done = completed === total ? 100 : Math.min(99.99, (100 * completed + highWater.get(row.id)) / total);
    return {
      total,
      pending,
      processing,
      completed,
      failed,
      canceled,
      percentage: total ? Math.round(done * 100) / 100 : 0,
      version,
      updatedAt: instant(row.updated_at),
    };
  }

  return {
    jobs: (first) => jobs.all(first).map(job),
    job: (id) => {
      const row = one.get(id);
      return row === undefined ? null : job(row);
    },
    progress: (id) => progress(one.get(id)),
    progressOf: progress,
    scenesByJob(ids) {
      const found = new Map(ids.map((id) => [id, []]));
      for (const row of scenesOf(ids)) found.get(row.job_id).push(scene(row));
      return ids.map((id) => ({ nodes: found.get(id) }));
    },
    // The event carries its rows, so that no subscriber reads them again.
    updateScene(input) {
      const changed = update.immediate(input.sceneId, input.title);
      const event = {
        __typename: "JobEvent",
        version: changed.version,
        type: "SCENE_UPDATED",
        sceneId: changed.id,
        occurredAt: changed.updatedAt,
        scene: changed,
        progress: progress(one.get(changed.jobId)),
      };
      return { event, payload: { scene: changed, errors: [] } };
    },
    snapshot: (id) => ({ __typename: "JobSnapshot", version: one.get(id).version }),
  };
}
