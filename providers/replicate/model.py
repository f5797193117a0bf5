"""The creation request of an order, and how its prediction is recognized in Replicate's list."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from providers import catalogue
from providers.hosted import inputs
from providers.hosted.seeds import is_own, seed_of
from providers.port import Order
from providers.replicate.marks import Marks, Match, Place, value_at
from providers.replicate.prediction import Prediction

CALLBACK_PATH = "/callbacks/replicate/"


class Shape(Protocol):
    """How the input of a model is made from an order."""

    @property
    def seed_place(self) -> Place | None:
        """The place of the seed in an input, by which the order's prediction can be recognized; None without one."""
        ...

    @property
    def takes_files(self) -> bool:
        """Whether inputs of an order have a place in it."""
        ...

    def described(self, name: str) -> catalogue.Model:
        """Return what the model can do."""
        ...

    def check(self, order: Order) -> None:
        """Raise Failure (INVALID_INPUT) when the model cannot make the order."""
        ...

    def input(self, order: Order, files: Mapping[int, str] | None = None) -> dict[str, object]:
        """Return the input for an order; `files` are the addresses of its inputs by their index."""
        ...

    def seed_for(self, seed: int) -> int:
        """Return a seed within the bounds of the model."""
        ...

    def ignored(self, order: Order) -> tuple[str, ...]:
        """Return which settings of the order have no effect."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """A version of a model and the shape of its input.

    The API has no field for client data and documents no idempotency key. A prediction is matched to its order by its
    callback URL, which ends in the order's key, or by its seed; at least one of them is needed. The documented
    response has no callback URL: where it is missing, the input is compared. `callbacks` is the https URL of this
    server, without a trailing slash, or empty; `listening`: whether this server handles callbacks.
    """

    version: str
    shape: Shape
    callbacks: str = ""
    listening: bool = False

    def __post_init__(self) -> None:
        if not self.callbacks and self.shape.seed_place is None:
            raise ValueError("without a callback URL the input needs a seed")

    def request(self, order: Order, files: Mapping[int, str] | None = None) -> dict[str, object]:
        """Return the body of the request that creates the prediction of an order."""
        request: dict[str, object] = {"version": self.version, "input": self.shape.input(order, files)}
        if self.callbacks:
            request["webhook"] = self.callbacks + _callback(order)
            request["webhook_events_filter"] = ["start", "completed"] if self.listening else ["completed"]
        return request

    def is_marked(self, marks: Marks, order: Order) -> bool:
        """Return whether the callback URL or the seed is that of the order."""
        if marks.webhook is not None and marks.webhook.endswith(_callback(order)):
            return True
        place = self._mark(order)
        return place is not None and marks.seeds.get(place) == self.shape.seed_for(seed_of(order))

    def match(self, marks: Marks, order: Order, *, complete: bool) -> Match:
        """Compare the marks with an order. This server's URL may have changed since its creation.

        `complete`: they are not from the list, which may omit the callback URL.
        """
        if self.is_marked(marks, order):
            return Match.YES
        by_seed = self._mark(order) is not None
        if marks.webhook is not None or (by_seed and (marks.inputs or not self.callbacks)):
            return Match.NO
        if self._is_other(marks.model) or (marks.inputs and not inputs.fit(marks.inputs, self.shape.input(order))):
            return Match.NO
        if not complete and not marks.has_webhook_field and self.callbacks:
            return Match.UNCLEAR
        unmarked = not marks.has_webhook_field or not self.callbacks
        return Match.ALIKE if marks.inputs and unmarked else Match.NO

    def fits(self, prediction: Prediction, order: Order) -> bool:
        """Return whether the prediction was created with the input of the order; its files are not compared."""
        fits = inputs.fit(inputs.digests(prediction.input), self.shape.input(order))
        return fits and not self._is_other(prediction.model)

    def seed_in(self, value: object) -> int | None:
        """Return the seed in an input."""
        place = self.shape.seed_place
        found = None if place is None else value_at(value, place)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def _mark(self, order: Order) -> Place | None:
        # A seed that the user chose is not unique.
        return self.shape.seed_place if is_own(order) else None

    def _is_other(self, model: str) -> bool:
        own = self.version.partition(":")[0]
        return bool(model) and "/" in own and model != own


def _callback(order: Order) -> str:
    return CALLBACK_PATH + quote(order.key, safe="")
