import { useMemory } from './memory'

/** Shows the remembered ids that replace an empty jobId, sceneId and takeId. */
export function Footer() {
  const { jobId, sceneId, takeId } = useMemory()
  return (
    <div className="scenewire-footer">
      <RememberedId name="jobId" id={jobId} />
      <RememberedId name="sceneId" id={sceneId} />
      <RememberedId name="takeId" id={takeId} />
    </div>
  )
}

function RememberedId({ name, id }: { name: string; id?: string }) {
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
