/** Line icons on a grid of 16, drawn with the colour of the text. They are decoration: words stand beside them. */
const PATHS = {
  add: 'M8 3v10M3 8h10',
  back: 'M10 3 5 8l5 5',
  cancel: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.5 6.5 12 13 4.5',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 4.8V8l2.2 1.8',
  dots: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  down: 'M8 3v10M3.5 8.5 8 13l4.5-4.5',
  draft: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2',
  edit: 'M3 13l.6-2.9L10.7 3a1.4 1.4 0 0 1 2.3 2.3L5.9 12.4z',
  film: 'M2 3.5h12v9H2zM5 3.5v9M11 3.5v9M2 6.5h3M2 9.5h3M11 6.5h3M11 9.5h3',
  full: 'M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3',
  grip: 'M6 4h.01M6 8h.01M6 12h.01M10 4h.01M10 8h.01M10 12h.01',
  info: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 7.5V11M8 5h.01',
  list: 'M5.5 4H14M5.5 8H14M5.5 12H14M2 4h.01M2 8h.01M2 12h.01',
  muted: 'M2.5 6.2h2.3L8 3.5v9L4.8 9.8H2.5zM10.5 6.3l3.4 3.4M13.9 6.3l-3.4 3.4',
  open: 'M9.5 2.5h4v4M13.5 2.5 7.5 8.5M11.5 9.5v4h-9v-9h4',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  picture: 'M2 3h12v10H2zM2 11l3.5-3.5L8 10l2.5-2.5L14 11M10.5 5.5h.01',
  play: 'M5 3.2v9.6L12.8 8z',
  retry: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.4 10.4 14 14',
  'sign-out': 'M6.5 2.5h-4v11h4M10 5l3 3-3 3M13 8H6',
  sliders: 'M2 5h5.5M10.5 5H14M9 3v4M2 11h2.5M7.5 11H14M6 9v4',
  sound: 'M2.5 6.2h2.3L8 3.5v9L4.8 9.8H2.5zM10.5 6a2.8 2.8 0 0 1 0 4M12.3 4.2a5.4 5.4 0 0 1 0 7.6',
  stop: 'M4 4h8v8H4z',
  trash: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.5 9h6l.5-9',
  undo: 'M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H6',
  up: 'M8 13V3M3.5 7.5 8 3l4.5 4.5',
  upload: 'M8 11V3M4.5 6.5 8 3l3.5 3.5M3 13h10',
  user: 'M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8M3 13.5c.6-2.4 2.5-3.5 5-3.5s4.4 1.1 5 3.5',
  warn: 'M8 2.5 14.2 13.2H1.8zM8 6.5v3M8 11.4h.01',
} as const

export type IconName = keyof typeof PATHS | 'spinner'

/** Shows an icon of 16 px. "spinner" turns, unless the user asks for no motion. */
export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class={`icon ${name}`} viewBox="0 0 16 16" width={size} height={size} aria-hidden="true">
      {name === 'spinner' ? <path d="M8 2a6 6 0 1 0 6 6" /> : <path d={PATHS[name]} />}
    </svg>
  )
}
