"""What the commands that call a running server share: its address, and their exit statuses."""

from urllib.parse import urlsplit, urlunsplit

from server.settings import PREFIX, WrongSettings

NO_SERVER_STATUS, TOKEN_REFUSED_STATUS = 5, 6


def checked_address(address: str) -> str:
    """Return the URL of a server without a trailing slash. Raises WrongSettings for text that is none."""
    try:
        url = urlsplit(address)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise WrongSettings(f"--url or {PREFIX}PUBLIC_URL: {address!r} is not a URL such as http://127.0.0.1:4000")
    return urlunsplit(urlsplit(address)).rstrip("/")
