import type { Connection } from './connection.js';

const HIDDEN_MS = 30_000;

/**
 * Pauses a connection while the page is hidden for longer than 30 s, and ends a wait for the next attempt when the page
 * is shown or the network is back. Returns a function that stops that. Does nothing outside of a page.
 */
export function watchPage(connection: Connection, pauseWhenHidden: boolean): () => void {
  if (typeof document === 'undefined' || typeof addEventListener === 'undefined') return () => undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onVisibility = () => {
    clearTimeout(timer);
    if (document.visibilityState === 'visible') connection.resume();
    else if (pauseWhenHidden) timer = setTimeout(() => connection.pause(), HIDDEN_MS);
  };
  const onOnline = () => connection.retryNow();
  document.addEventListener('visibilitychange', onVisibility);
  addEventListener('online', onOnline);
  if (document.visibilityState === 'hidden') onVisibility();
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', onVisibility);
    removeEventListener('online', onOnline);
  };
}
