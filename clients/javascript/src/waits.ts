const FIRST_MS = 250;
/** Short, so that a client shows the last state within a second of the end of an outage. */
const LONGEST_MS = 700;
/** After some two minutes of failures. */
const PATIENT_ATTEMPTS = 200;
const PATIENT_MS = 5_000;

/** Returns the milliseconds to wait after so many failed attempts: they double, with a jitter of one half. */
export function backoff(attempts: number): number {
  const longest = attempts < PATIENT_ATTEMPTS ? LONGEST_MS : PATIENT_MS;
  return Math.min(longest, FIRST_MS * 2 ** attempts) * (0.5 + Math.random() / 2);
}

/** Returns the milliseconds that a close reason asks to wait ("retry after 3 s"), plus jitter; undefined without. */
export function waitIn(reason: string | undefined): number | undefined {
  const seconds = /retry after ([\d.]+) s/.exec(reason ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000 + 250 * Math.random();
}
