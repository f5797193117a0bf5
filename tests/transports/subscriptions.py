"""Subscriptions of the sample application that stay open."""

from tests.support.sample_app import Sample
from tests.support.websocket_peer import Peer

FOREVER = "subscription { forever }"


async def subscribe_forever(peer: Peer, sample: Sample, *ids: str) -> None:
    """Open one subscription per id, and wait until each has sent its first value."""
    for id_ in ids:
        await peer.subscribe(FOREVER, id_)
        assert (await peer.receive())["type"] == "next"
    await sample.probe.until(live=len(ids))
