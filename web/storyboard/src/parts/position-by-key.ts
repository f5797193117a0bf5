/** Returns the position that a key goes to from another, among `count`; undefined for keys that do not move. */
export function positionByKey(key: string, position: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowUp':
      return Math.max(0, position - 1)
    case 'ArrowRight':
    case 'ArrowDown':
      return Math.min(count - 1, position + 1)
    case 'Home':
      return 0
    case 'End':
      return count - 1
  }
}
