"""The code words in errors of predictions, which say more than their wording.

Codes of four digits are those of the platform (https://replicate.com/docs/reference/error-codes), codes of three digits
those of the programs in front of official models.
"""

import re

from providers.refusals import Reason, reason_of

_CODE = re.compile(r"\bE(\d{3,4})\b")
# "Prediction interrupted; please retry (code: PA)"
_INTERRUPTED = re.compile(r"\(code: PA\)")
_REASONS = {
    # "Service is temporarily unavailable" and "due to high demand"
    "003": Reason.BUSY,
    "004": Reason.BUSY,
    # "The input or output was flagged as sensitive."
    "005": Reason.MODERATED,
    # "prompt must be at most 2500 characters"
    "006": Reason.INVALID_INPUT,
    # An error without a category; out of memory, which the same input causes again.
    "1000": Reason.UNKNOWN,
    "1001": Reason.UNKNOWN,
}


def reason_in(error: str) -> Reason:
    """Return the class of an error of a prediction: by its code, or by its words when that says nothing."""
    for code in _CODE.findall(error):
        if code in _REASONS:
            return _REASONS[code]
        if len(code) == 4:
            return Reason.BUSY
    return Reason.BUSY if _INTERRUPTED.search(error) else reason_of(error)
