import { request } from '../client'
import { inWords } from '../failures'
import { JobAddressesDocument } from '../operations'
import { toast } from '../parts/toast'

const NAME_CHARACTERS = 80

/** Saves the video of a job as a file. Its address is requested now, because a signed one expires. */
export async function downloadVideo(jobId: string): Promise<void> {
  try {
    const { job } = await request(JobAddressesDocument, { jobId })
    if (job?.output) save(job.output.url, job.title)
    else toast('The video is being joined again.', { kind: 'bad' })
  } catch (reason) {
    toast(inWords(reason), { kind: 'bad' })
  }
}

/** Files of another origin, such as those of a bucket, keep the name that they have there. */
function save(url: string, title: string): void {
  const link = document.createElement('a')
  link.href = url
  const ending = /\.\w+$/u.exec(new URL(url, document.baseURI).pathname)?.[0] ?? ''
  link.download = title.replace(/[\\/:*?"<>|]/gu, ' ').slice(0, NAME_CHARACTERS) + ending
  link.click()
}
