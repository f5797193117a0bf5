import { useMemory } from './memory'

/** Says what an empty jobId, sceneId and takeId stand for. */
export function Footer() {
  const { jobId, sceneId, takeId } = useMemory()
  return (
    <div className="scenewire-footer">
      <Meaning name="jobId" id={jobId} />
      <Meaning name="sceneId" id={sceneId} />
      <Meaning name="takeId" id={takeId} />
    </div>
  )
}

function Meaning({ name, id }: { name: string; id?: string }) {
  if (!id) return null
  return (
    <p>
      Empty {name} means{' '}
      <button type="button" title={`Copy ${name}`} onClick={() => navigator.clipboard?.writeText(id)}>
        {id}
      </button>
    </p>
  )
}
