"""The port of clients of hosted services that have neither idempotency keys nor a complete list of what was bought."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from providers import catalogue
from providers.hosted.http import Http
from providers.hosted.job import Job
from providers.port import Made, Order

Request = Mapping[str, object]


class Client(Protocol):
    """A client of one service. Its calls raise Refused, NoResponse, and where it is said Failure."""

    @property
    def http(self) -> Http:
        """The connections to the service."""
        ...

    @property
    def searches(self) -> bool:
        """Whether `find` can find an order that was submitted before."""
        ...

    def models(self) -> Sequence[catalogue.Model]:
        """Return what can be ordered, the default first, and begin to read what is not known yet."""
        ...

    async def request(self, order: Order) -> Request:
        """Return the request that buys an order, the addresses of its files included; nothing is bought yet.

        Raises Failure when the order cannot be made.
        """
        ...

    async def print_of(self, order: Order) -> str:
        """Return a digest of what is asked, files excluded: it differs between orders that differ. Raises Failure."""
        ...

    async def create(self, order: Order, request: Request) -> str:
        """Buy the order; return the id of the job. Not idempotent."""
        ...

    async def find(self, order: Order) -> str | None:
        """Return the id of the job of an order, if the service lists it; that it lists none proves nothing."""
        ...

    async def get(self, job_id: str) -> Job:
        """Return the state of a job."""
        ...

    async def cancel(self, job_id: str) -> None:
        """Cancel a job, if the service can. One that is finished or unknown is ignored."""
        ...

    async def check(self) -> str:
        """Return a short description of the account, from a call that costs nothing.

        Raises Failure when it can buy nothing.
        """
        ...

    async def made(self, order: Order, job: Job) -> Made:
        """Return how a clip was made."""
        ...

    @property
    def listens(self) -> bool:
        """Whether callbacks can be verified."""
        ...

    async def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether a callback is from the service. Header names are in lower case."""
        ...

    def job_in(self, callback: Mapping[str, object]) -> str | None:
        """Return the id of the job that a callback is about; None when the callback has no complete id."""
        ...

    async def close(self) -> None:
        """Stop to read, and close the connections."""
        ...
