/** What the server's providers can be asked for, read once. */
import { signal } from '@preact/signals'

import { request } from './client'
import { CatalogueDocument, type CatalogueQuery, type ModelFieldsFragment } from './operations'

export const catalogue = signal<CatalogueQuery | null>(null)
let reading: Promise<void> | null = null

/** Reads the catalogue unless it was read; reads it again with `again`, because workers bring and take models. */
export function readCatalogue(again = false): Promise<void> {
  if (again || reading === null) {
    reading = request(CatalogueDocument, {})
      .then((found) => void (catalogue.value = found))
      .catch(() => void (reading = null)) // the next form that opens tries again; the banner says why
  }
  return reading
}

/** Returns the model of this id; null for one that no provider lists. */
export function modelOf(id: string | null | undefined): ModelFieldsFragment | null {
  return catalogue.value?.models.find((each) => each.id === id) ?? null
}

/** Returns the models of a provider, its default first. */
export function modelsOf(provider: string): ModelFieldsFragment[] {
  return catalogue.value?.models.filter((each) => each.provider === provider) ?? []
}
