"""The progress of a prompt over all its nodes, from the messages of the websocket."""

from collections.abc import Mapping

from providers.comfyui.values import is_object, items

# Less than everything, until the clip is there.
MOST = 0.99


class NodeProgress:
    """How far the nodes of a workflow are; the fraction never falls. Nodes that it does not know are ignored.

    Current versions report all nodes at once, by `progress_state`; older ones the node that runs, and its steps.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._total = sum(weights.values())
        self._done: dict[str, float] = {}
        self._running: str | None = None
        self._most = 0.0

    @property
    def fraction(self) -> float | None:
        """The done part, in 0..1; None without any node."""
        return self._most if self._total > 0 else None

    def update(self, kind: str, data: Mapping[str, object]) -> bool:
        """Take up a message; return whether the fraction has grown."""
        match kind:
            case "execution_cached":
                self._done.update({str(node): 1.0 for node in items(data.get("nodes"))})
            case "executing":
                self._run(data.get("node"))
            case "executed":
                self._done[str(data.get("node"))] = 1.0
            case "progress":
                self._step(data.get("node"), data)
            case "progress_state":
                nodes = data.get("nodes")
                for name, state in nodes.items() if is_object(nodes) else ():
                    self._step(name, state if is_object(state) else {})
            case _:
                pass
        return self._grow()

    def _run(self, node: object) -> None:
        """The node that ran before is finished: without `progress_state` nothing else says so."""
        if self._running is not None and self._running != node:
            self._done[self._running] = 1.0
        self._running = node if isinstance(node, str) else None

    def _step(self, node: object, state: Mapping[str, object]) -> None:
        value, most = state.get("value"), state.get("max")
        if state.get("state") == "finished":
            self._done[str(node)] = 1.0
        elif isinstance(value, int | float) and isinstance(most, int | float) and most > 0:
            # The last step is done, but the node may go on; and one that starts says 0 of 1.
            self._done[str(node)] = min(1.0, max(0.0, value / most))

    def _grow(self) -> bool:
        if self._total <= 0:
            return False
        done = sum(weight * self._done.get(node, 0.0) for node, weight in self._weights.items())
        fraction = min(MOST, done / self._total)
        grown = fraction > self._most
        self._most = max(self._most, fraction)
        return grown
