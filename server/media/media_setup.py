"""The check of the media store before a server or worker starts."""

import asyncio
import logging

from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import MediaRefused, reason_of
from models.domain.errors import Unavailable
from server.settings import PREFIX, Settings, WrongSettings, as_wrong_setting

log = logging.getLogger("scenewire")


def check_media(settings: Settings) -> None:
    """Raise WrongSettings for a folder that cannot be written, a wrong bucket or wrong credentials.

    A store that does not answer is logged as a warning: the API works without it, and `/readyz` reports it.
    """
    with as_wrong_setting("MEDIA_URL"):
        store = MediaStore(settings.media_url)
    try:
        asyncio.run(store.check())
    except MediaRefused as error:
        raise WrongSettings(f"{PREFIX}MEDIA_URL: {settings.media_url}: {error}") from error
    except Unavailable as error:
        reason = reason_of(error.__cause__ or error)
        log.warning("SCENEWIRE_MEDIA_URL: %s (%s)", error, reason, extra={"action": "media.unavailable"})
