"""Errors of ComfyUI's responses: retry, or fail with the reason. What is lost is time of the GPU, not money."""

import httpx

from providers.comfyui.values import is_object, items
from providers.hosted.retrying import NoResponse, Refused
from providers.port import Failure

REASON_CHARACTERS = 500
CANCELED = "The prompt was canceled."
_CODES = {
    401: ("UNAUTHORIZED", "ComfyUI, or a proxy before it, does not accept COMFYUI_HEADER"),
    403: ("FORBIDDEN", "ComfyUI, or a proxy before it, does not allow this"),
    404: ("NOT_FOUND", "There is no ComfyUI at this address, or it does not find this"),
    413: ("INPUT_TOO_LARGE", "An input is too large for ComfyUI, which takes more with --max-upload-size"),
}


def error_of(response: httpx.Response) -> Refused | NoResponse:
    """Return the error of a response whose body was read. ComfyUI answers 400 to a workflow that it cannot run."""
    status = response.status_code
    if status == 400:
        return Refused("INVALID_INPUT", f"ComfyUI refuses the workflow: {_reasons(response)}", retryable=False)
    if status >= 500 or status < 400 or status in (408, 425, 429):
        return NoResponse(f"status {status}", harmless=status == 429)
    code, meaning = _CODES.get(status, ("REQUEST_REFUSED", f"ComfyUI answered with status {status}"))
    return Refused(code, f"{meaning}.", retryable=False)


def unavailable(*, unsettled: bool = False) -> Failure:
    """Return the failure of an order without a usable response."""
    return Failure("PROVIDER_UNAVAILABLE", "ComfyUI does not answer.", retryable=True, unsettled=unsettled)


def lost() -> Failure:
    """Return the failure of a prompt that is neither in the queue nor in the history."""
    message = "ComfyUI does not know the prompt any more: it was restarted, or the prompt was deleted there."
    return Failure("PROMPT_LOST", message, retryable=True)


def interrupted_before() -> Failure:
    """Return the failure of an order that followed the prompt of an earlier take, which was interrupted."""
    return Failure("PROMPT_LOST", "The prompt of an earlier take, which was used, was interrupted.", retryable=True)


def canceled() -> Failure:
    """Return the failure of a prompt that was canceled here or interrupted there."""
    return Failure("CANCELED", CANCELED, retryable=False)


def _reasons(response: httpx.Response) -> str:
    """Return the messages of the nodes that do not accept their inputs, or of the whole workflow."""
    try:
        body: object = response.json()
    except (ValueError, RecursionError):
        body = None
    if not is_object(body):
        return "it gives no reason."
    nodes = body.get("node_errors")
    reasons = [
        f"{node.get('class_type')} ({name}): {_words(error)}"
        for name, node in (nodes.items() if is_object(nodes) else ())
        if is_object(node)
        for error in items(node.get("errors"))
    ]
    return " ".join("; ".join(reasons or [_words(body.get("error"))]).split())[:REASON_CHARACTERS]


def _words(error: object) -> str:
    if not is_object(error):
        return str(error or "it gives no reason.")
    message, details = str(error.get("message") or ""), str(error.get("details") or "")
    return f"{message} ({details})" if details else message
