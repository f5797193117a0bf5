"""The creation request of an order, and how its prediction is recognized in Replicate's list."""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from providers.port import Order
from providers.replicate.prediction import Prediction
from providers.replicate.template import Template, seed

CALLBACK_PATH = "/callbacks/replicate/"


class Marks(NamedTuple):
    """The fields of a prediction by which it is matched to an order."""

    webhook: str | None
    seed: object


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model and the template of its input.

    The API has no field for client data and documents no idempotency key. A prediction is matched to its order by its
    callback URL, which ends in the order's key, or by its seed; at least one of them is needed. `callbacks` is the
    https URL of this server, without a trailing slash, or empty; `listening`: whether this server handles callbacks.
    """

    version: str
    template: Template
    callbacks: str = ""
    listening: bool = False

    def __post_init__(self) -> None:
        if not self.callbacks and not self.template.seeded:
            raise ValueError("without a callback URL the input needs a {seed}")

    def request(self, order: Order) -> dict[str, object]:
        """Return the body of the request that creates the prediction of an order."""
        request: dict[str, object] = {"version": self.version, "input": self.template.input(order)}
        if self.callbacks:
            request["webhook"] = self.callbacks + _callback(order)
            request["webhook_events_filter"] = ["start", "completed"] if self.listening else ["completed"]
        return request

    def marks(self, prediction: Prediction) -> Marks:
        """Return the callback URL and the seed of a prediction."""
        return Marks(prediction.webhook, self.template.seed_in(prediction.input))

    def matches(self, marks: Marks, order: Order) -> bool:
        """Return whether the marks are those of an order. This server's URL may have changed since its creation."""
        by_callback = marks.webhook is not None and marks.webhook.endswith(_callback(order))
        return by_callback or (self.template.seeded and marks.seed == seed(order.key))


def _callback(order: Order) -> str:
    return CALLBACK_PATH + quote(order.key, safe="")
