"""The Python client of docs/live.md."""

from collections.abc import Callable

import scenewire


# region page
async def follow(
    url: str, job_id: str, show: Callable[[scenewire.Message], None], on_state: Callable[[str], None]
) -> None:
    async with scenewire.Client(url) as client:
        async for message in client.follow(job_id, on_state=on_state):
            show(message)  # message.job is the whole job as it is now


# endregion
