"""The accessibility rules of axe-core, on a page in the browser."""

from functools import cache
from typing import Literal

from playwright.async_api import Page

from tests.support import node_runtime
from tests.support.server_process import ROOT

WEB = ROOT / "web"
# A transition in flight has colours of neither end, so finite ones are finished first.
_RUN = """
async () => {
  for (const each of document.getAnimations())
    if (each.effect?.getComputedTiming().endTime !== Infinity) each.finish()
  const { violations } = await axe.run(document, { resultTypes: ['violations'] })
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary}`))
}
"""


async def problems(page: Page, scheme: Literal["light", "dark"] | None = None) -> list[str]:
    """Return the serious and critical violations, each with its rule, selector and reason.

    `scheme` sets the colour scheme that the page is asked to use; by default it stays as it is.
    """
    if scheme is not None:
        await page.emulate_media(color_scheme=scheme)
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_source())
    return await page.evaluate(_RUN)


@cache
def _source() -> str:
    node_runtime.install(WEB)
    return f"{(WEB / 'node_modules' / 'axe-core' / 'axe.min.js').read_text('utf-8')}; undefined"
