"""The address `/`: the storyboard for browsers, where it is on; else a redirect to the explorer, where that is on."""

from fastapi import FastAPI, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from coordinator.storage.media import MediaStore
from server.explorer import explorer_response, wants_page
from server.middleware.forwarding import public_path
from server.settings import Settings
from server.storyboard import Storyboard, mount_storyboard

PATH = "/"


def is_open(request: Request, settings: Settings) -> bool:
    """Return whether a request to `/` needs no token."""
    return settings.allows_explorer or (settings.storyboard and wants_page(request))


def add_root(app: FastAPI, settings: Settings, media: MediaStore, explorer_path: str) -> None:
    """Add the routes of `/`, and the files of the storyboard."""
    storyboard = Storyboard(settings, media) if settings.storyboard else None

    async def get(request: Request) -> Response:
        if storyboard is not None and wants_page(request):
            return await storyboard.response(request)
        if settings.allows_explorer:
            return RedirectResponse(public_path(request) + explorer_path)
        raise HTTPException(404)

    async def head(request: Request) -> Response:
        """Return the headers of a page.

        Always 200, also while the page is not built: uptime checks that send it follow no redirect, and the API works.
        """
        if storyboard is not None and wants_page(request):
            response = await storyboard.response(request)
        elif settings.allows_explorer:
            response = explorer_response(public_path(request), storyboard=settings.storyboard)
        else:
            raise HTTPException(404)
        response.status_code = 200
        return response

    if storyboard is not None:
        mount_storyboard(app)
    if storyboard is not None or settings.allows_explorer:
        app.add_api_route(PATH, get, methods=["GET"], include_in_schema=False)
        app.add_api_route(PATH, head, methods=["HEAD"], include_in_schema=False)
