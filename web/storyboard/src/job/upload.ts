import { request } from '../client'
import { inWords, type UserError } from '../failures'
import { CompleteAssetDocument, CreateAssetDocument } from '../operations'
import type { Asset, UploadTarget } from './types'

const KINDS = [
  ['image/', 'IMAGE'],
  ['video/', 'VIDEO'],
  ['audio/', 'AUDIO'],
] as const
const MAX_NAME_LENGTH = 200

/**
 * Uploads a file as an asset of the user. `onProgress` gets the part of the bytes that is sent, 0 to 1.
 *
 * Rejects with an Error in words for the user when the file is refused or the line is cut. `signal` stops it.
 */
export async function upload(file: File, onProgress: (part: number) => void, signal: AbortSignal): Promise<Asset> {
  const { asset, target } = await create(file, signal)
  if (target) await put(target, file, onProgress, signal)
  return asset.status === 'READY' ? asset : await complete(asset.id, signal)
}

async function create(file: File, signal: AbortSignal): Promise<{ asset: Asset; target?: UploadTarget | null }> {
  const kind = KINDS.find(([prefix]) => file.type.startsWith(prefix))?.[1]
  if (!kind) throw new Error('This is no picture, video or sound.')
  const input = { kind, contentType: file.type, sizeBytes: file.size, name: file.name.slice(-MAX_NAME_LENGTH) }
  const { createAsset } = await inUserWords(request(CreateAssetDocument, { input }, { signal }))
  if (!createAsset.asset) throw new Error(sentence(createAsset.errors))
  return { asset: createAsset.asset, target: createAsset.upload }
}

async function complete(assetId: string, signal: AbortSignal): Promise<Asset> {
  const { completeAsset } = await inUserWords(request(CompleteAssetDocument, { input: { assetId } }, { signal }))
  const { asset, errors } = completeAsset
  if (asset?.status === 'READY' && !errors.length) return asset
  throw new Error(asset?.failure?.message ?? sentence(errors))
}

function sentence(errors: Pick<UserError, 'message'>[]): string {
  return errors.map(({ message }) => message).join(' ') || 'The file cannot be used.'
}

async function inUserWords<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch (reason) {
    throw new Error(inWords(reason), { cause: reason })
  }
}

// XMLHttpRequest, because fetch does not report how much it has sent.
function put(target: UploadTarget, file: File, onProgress: (part: number) => void, signal: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const put = new XMLHttpRequest()
    put.open(target.method, target.url)
    for (const { name, value } of target.headers) put.setRequestHeader(name, value)
    put.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0)
    put.onload = () => (put.status < 300 ? done() : fail(new Error(`The upload was refused with status ${put.status}.`)))
    put.onerror = () => fail(new Error('The connection was lost. Add the file again.'))
    put.onabort = () => fail(new DOMException('The upload was stopped.', 'AbortError'))
    signal.addEventListener('abort', () => put.abort(), { once: true })
    put.send(file)
  })
}
