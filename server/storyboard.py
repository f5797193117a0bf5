"""The storyboard: the page that browsers are served at `/`. `web/build` builds it from web/storyboard.

The page is static and public; it signs in by itself, and each of its requests carries a token.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.responses import Response

from coordinator.storage.media import MediaStore
from server.explorer import DIST, Assets, page_response
from server.middleware.forwarding import public_path
from server.settings import Settings

ASSETS_PATH = "/storyboard/assets"
# An address that is only looked at, never used.
_BRIEFLY = timedelta(minutes=1)


def mount_storyboard(app: FastAPI, dist: Path = DIST) -> None:
    """Serve the scripts and styles of the page."""
    app.mount(ASSETS_PATH, Assets(dist / "storyboard" / "assets"), name="storyboard")


class Storyboard:
    """Makes the page. Browsers upload to the bucket of `media`, if it is one that signs addresses."""

    def __init__(self, settings: Settings, media: MediaStore, dist: Path = DIST) -> None:
        self._page = dist / "storyboard" / "index.html"
        self._media = media if settings.direct_uploads else None
        self._issuer = settings.auth_issuer if settings.production and settings.auth_client_id else ""
        sign_in = "oidc" if self._issuer else "token" if settings.production else "none"
        self._links_explorer = settings.allows_explorer
        self._contents = {
            "sign-in": sign_in,
            "issuer": self._issuer,
            "client-id": settings.auth_client_id,
            "audience": settings.auth_audience if self._issuer else "",
        }

    async def response(self, request: Request) -> Response:
        """Return the page, for a browser that reaches the server under the path of the request."""
        prefix = public_path(request)
        explorer = f"{prefix}/graphql" if self._links_explorer else ""
        return page_response(
            self._page,
            prefix,
            policy(self._issuer, await self._bucket()),
            {"vary": "accept"},
            assets_path=ASSETS_PATH,
            contents=self._contents | {"explorer": explorer},
        )

    async def _bucket(self) -> str:
        """Return an address of the bucket to which browsers upload; empty where they upload to the server."""
        if self._media is None:
            return ""
        return await self._media.address("storyboard", "PUT", _BRIEFLY) or ""


def policy(*connected: str) -> str:
    """Return the content security policy, which allows requests to the origins of these URLs beside the page's own.

    Scripts and styles only from files; clips may be on the host of any provider.
    """
    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, filter(None, connected))}
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob: http: https:",
            "media-src 'self' blob: http: https:",
            " ".join(("connect-src 'self'", *sorted(origins))),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
