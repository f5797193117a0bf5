import { Icon } from '../parts/icon'

/** Errors that belong to no single field; screen readers read them when they appear. */
export function Errors({ errors }: { errors: string[] }) {
  return (
    <>
      {errors.map((message) => (
        <p key={message} class="form-error" role="alert" dir="auto">
          <Icon name="warn" />
          <span>{message}</span>
        </p>
      ))}
    </>
  )
}
