"""The exceptions of the client. All derive from ScenewireError."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class ScenewireError(Exception):
    """An error of a call or of a stream; the text is a sentence that can be shown to a person."""


@dataclass(frozen=True)
class UserError:
    """One reason why the server refused an input.

    `code` is an ErrorCode of the schema, or `extensions.code` of a GraphQL error. `path` names the input, such as
    ("input", "title"). `details` are the further fields of the error, by their names in the schema.
    """

    code: str
    message: str
    path: tuple[str, ...] | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Refused(ScenewireError):
    """The server refused the request, and would refuse it again. `code`, `path`, `details`: of the first error."""

    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = tuple(errors)
        self.code = self.errors[0].code
        self.message = self.errors[0].message
        self.path = self.errors[0].path
        self.details = self.errors[0].details


class NotFound(Refused):
    """The object does not exist or is not visible to the holder of the token. NOT_FOUND."""


class Conflict(Refused):
    """The object changed since it was read. STALE_VERSION, IDEMPOTENCY_CONFLICT, STALE_TAKE."""

    @property
    def current_version(self) -> int | None:
        """The version of the object now, if the server names it."""
        return self.details.get("currentVersion")


class RateLimited(Refused):
    """A rate limit or quota is used up. RATE_LIMITED."""

    @property
    def retry_after_seconds(self) -> float:
        """When the request will be accepted again."""
        return float(self.details.get("retryAfterSeconds", 1.0))


class TokenRefused(ScenewireError):
    """The server refused the token, and there is no other; the text is the server's reason."""


class Unavailable(ScenewireError):
    """The server cannot answer now, or its answer was lost: it is unknown whether a mutation was done.

    Repeat a mutation with the same idempotency key. A `token` callback may raise it to have a stream retry later.
    """


class NoServer(Unavailable):
    """No connection to the server was made: nothing was done. The text is the reason of the operating system."""


class ServerError(ScenewireError):
    """An error inside the server. `error_id` finds it in the server's log."""

    def __init__(self, message: str, error_id: str | None = None) -> None:
        super().__init__(message if error_id is None else f"{message} ({error_id})")
        self.error_id = error_id


_KINDS: dict[str, type[Refused]] = {
    "NOT_FOUND": NotFound,
    "RATE_LIMITED": RateLimited,
    "STALE_VERSION": Conflict,
    "IDEMPOTENCY_CONFLICT": Conflict,
    "STALE_TAKE": Conflict,
}


def refusal(errors: Sequence[Json]) -> Refused:
    """Return the exception for the `errors` of a payload."""
    found = [_user_error(error) for error in errors]
    return _KINDS.get(found[0].code, Refused)(found)


def failure(errors: Sequence[Json]) -> ScenewireError:
    """Return the exception for the `errors` of a GraphQL response or of a message of a stream."""
    first: Json = errors[0] if errors else {"message": "The server sent an error without a reason."}
    extensions: Json = first.get("extensions") or {}
    match extensions.get("code"):
        case "UNAUTHENTICATED":
            return TokenRefused(first["message"])
        case "UNAVAILABLE":
            return Unavailable(first["message"])
        case "INTERNAL":
            return ServerError(first["message"], extensions.get("id"))
        case code:
            found = [_coded_error(error) for error in errors or [first]]
            return _KINDS.get(str(code), Refused)(found)


def _user_error(error: Json) -> UserError:
    details = {name: value for name, value in error.items() if name not in ("__typename", "code", "message", "path")}
    path = error.get("path")
    return UserError(error["code"], error["message"], None if path is None else tuple(path), details)


def _coded_error(error: Json) -> UserError:
    details = dict(error.get("extensions") or {})
    path = details.pop("field", None) or error.get("path")
    code = str(details.pop("code", "UNKNOWN"))
    return UserError(code, error["message"], None if path is None else tuple(str(part) for part in path), details)
