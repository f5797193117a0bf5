"""Errors of the media store: permanent refusals and temporary unavailability."""

import errno
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from models.domain.errors import Unavailable
from models.lazy_import import lazily

if TYPE_CHECKING:
    from obstore import exceptions
else:
    exceptions = lazily("obstore.exceptions")

# Of the errors that obstore does not classify: a status 4xx other than 408 and 429, which are retried.
_CLIENT_ERROR, _RETRIED_STATUSES = "status 4", ("status 408", "status 429")
# The address at which virtual machines get credentials, which is asked when none are configured.
_METADATA_SERVICE = "169.254.169.254"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class MediaRefused(Exception):
    """The media store refuses access, and will refuse it again. The message is one line for the operator."""


class FileTooLarge(Exception):
    """A stored file has more bytes (`size`) than the caller takes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the file has {size} bytes")
        self.size = size


@contextmanager
def unavailable_errors() -> Generator[None]:
    """Raise Unavailable for the errors of a bucket or folder, but FileNotFoundError for a missing file."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (exceptions.BaseError, OSError) as error:  # TimeoutError is an OSError
        raise Unavailable("UNAVAILABLE", "The media store does not answer.") from error


@contextmanager
def refused_errors() -> Generator[None]:
    """Raise MediaRefused for a permanent error, Unavailable for a temporary one."""
    try:
        yield
    except (exceptions.BaseError, OSError) as error:
        if getattr(error, "errno", None) in _NO_SPACE:
            raise Unavailable("STORAGE", "The media store has no space left.") from error
        if not _is_refusal(error):
            raise Unavailable("UNAVAILABLE", "The media store does not answer.") from error
        raise MediaRefused(reason_of(error)) from error


def reason_of(error: BaseException) -> str:
    """Return the first line of an error, or the name of its type; obstore's messages have many lines."""
    if _METADATA_SERVICE in str(error):
        return "there are no credentials for the bucket in the environment"
    return (str(error).splitlines() or [type(error).__name__])[0]


def _is_refusal(error: BaseException) -> bool:
    text = str(error)
    refusals = (
        FileNotFoundError,
        exceptions.PermissionDeniedError,
        exceptions.UnauthenticatedError,
        exceptions.UnknownConfigurationKeyError,
    )
    if isinstance(error, refusals) or _METADATA_SERVICE in text:
        return True
    if isinstance(error, exceptions.BaseError):
        return _CLIENT_ERROR in text and not any(status in text for status in _RETRIED_STATUSES)
    return not isinstance(error, TimeoutError)
