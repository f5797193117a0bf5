"""What is bought for an order, and how its prediction is told from all others."""

from dataclasses import dataclass
from urllib.parse import quote

from providers.port import Order
from providers.replicate.prediction import Prediction
from providers.replicate.template import Template, seed

CALLBACK_PATH = "/callbacks/replicate/"


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model and the input it is given.

    The API has no field for marks of one's own and documents no idempotency key. An order is found again by its
    callback address, which ends in its key, or by its seed; one of the two must be there. `callbacks` is the https
    address of this server, without a slash at its end, or empty; `listening` says whether it answers to callbacks.
    """

    version: str
    template: Template
    callbacks: str = ""
    listening: bool = False

    def __post_init__(self) -> None:
        if not self.callbacks and not self.template.seeded:
            raise ValueError("without a callback address the input needs a {seed}")

    def request(self, order: Order) -> dict[str, object]:
        """The body that buys the order."""
        request: dict[str, object] = {"version": self.version, "input": self.template.input(order)}
        if self.callbacks:
            request["webhook"] = self.callbacks + _callback(order)
            request["webhook_events_filter"] = ["start", "completed"] if self.listening else ["completed"]
        return request

    def marks(self, prediction: Prediction) -> tuple[str | None, object]:
        """What a prediction carries of an order."""
        return prediction.webhook, self.template.seed_in(prediction.input)

    def bears(self, marks: tuple[str | None, object], order: Order) -> bool:
        """Whether the marks are those of the order. The server's address may have changed since it was bought."""
        webhook, sown = marks
        called = webhook is not None and webhook.endswith(_callback(order))
        return called or (self.template.seeded and sown == seed(order.key))


def _callback(order: Order) -> str:
    return CALLBACK_PATH + quote(order.key, safe="")
