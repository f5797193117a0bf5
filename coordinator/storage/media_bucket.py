"""A bucket as media store: what obstore needs to open one, and what it stores with each object."""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from coordinator.storage.content_types import UNKNOWN
from coordinator.storage.keys import is_live_frame
from models.lazy_import import lazily

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore import store as stores
    from obstore.store import ObjectStore, RetryConfig
else:
    stores = lazily("obstore.store")

# Short, because a render that cannot store its clip itself retries for minutes.
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
_IMMUTABLE = "private, max-age=31536000, immutable"


def bucket_of(url: str) -> "ObjectStore":
    """Return the store of a bucket's URL. Stores that are no service, such as memory, take no options."""
    if urlsplit(url).scheme == "memory":
        return stores.from_url(url)
    return stores.from_url(url, retry_config=_RETRIES)


def can_sign(store: "ObjectStore") -> bool:
    """Return whether a store can sign addresses."""
    return isinstance(store, stores.S3Store | stores.GCSStore | stores.AzureStore)


def attributes_of(key: str, content_type: str) -> "Attributes":
    """Return what a bucket sends with an object, for the clients that read it directly."""
    caching = {"Cache-Control": "no-store" if is_live_frame(key) else _IMMUTABLE}
    saving = {"Content-Disposition": "attachment"} if content_type == UNKNOWN else {}
    return {"Content-Type": content_type, **caching, **saving}
