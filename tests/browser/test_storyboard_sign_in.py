"""How users of the storyboard sign in and out, in a real browser."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, expect

from tests.support import axe, jobs
from tests.support.browser_page import isolated_page
from tests.support.explorer import Server
from tests.support.job_list_page import JobListPage
from tests.support.openid_provider import AUDIENCE, openid_provider
from tests.support.tokens import production_server, token
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.browser,
    pytest.mark.sqlite_alone,
]


async def test_token_is_asked_once_and_ends_with_the_tab(browser: Browser, tmp_path: Path) -> None:
    """It is in no address and in no storage that outlives the tab; a refused one is asked for again."""
    async with production_server(tmp_path, public_url="") as served:
        url, amys = served.app.url, token("amy", name="Amy")
        await jobs.make(served.client(amys), title="Hers", scenes=[])
        async with isolated_page(browser, Server(url), expected_statuses=[401] * 4) as tab:
            page = JobListPage(tab, url)
            await page.open()
            assert await axe.problems(tab, "light") == []
            await page.screenshot("token")
            await page.token.fill("wrong")
            await page.sign_in.click()
            await expect(page.token).to_have_accessible_description(
                "Kept until this tab is closed. The token is not accepted."
            )
            await page.token.fill(f" Bearer {amys} ")
            await page.sign_in.click()
            await expect(page.row("Hers")).to_have_count(1)
            await expect(page.list.get_by_text("Amy")).to_be_visible()
            assert amys not in await page.stored()
            await tab.reload()
            await expect(page.row("Hers")).to_have_count(1)
            await page.list.get_by_role("button", name="Sign out").click()
            await expect(page.token).to_be_visible()
            assert amys not in await tab.evaluate("JSON.stringify(sessionStorage)")


async def test_revoked_token_is_asked_for_again_with_the_reason(browser: Browser, tmp_path: Path) -> None:
    """A token for one job shows that job alone; after it was revoked another one goes on, live."""
    async with production_server(tmp_path, public_url="") as served:
        amy, url = served.user("amy"), served.app.url
        shown, hidden = [await jobs.make(amy, title=title, scenes=[]) for title in ("Shown", "Hidden")]
        fields = {"jobIds": [shown.id], "grants": ["READ"]}
        issued = await amy.mutate("createToken", "token { id } secret", **fields)
        async with isolated_page(browser, Server(url), expected_statuses=[401] * 4) as tab:
            page = JobListPage(tab, url)
            await page.open()
            await expect(page.token).to_be_focused()
            await page.token.fill(issued["secret"])
            await tab.keyboard.press("Enter")
            await jobs.retitle(amy, shown.id, "Shown live")
            await expect(page.rows).to_have_text(re.compile("Shown live"))
            await amy.mutate("revokeToken", "token { id }", tokenId=issued["token"]["id"])
            await expect(page.token).to_have_accessible_description(re.compile("revoked"))
            await page.token.fill(token("amy"))
            await tab.keyboard.press("Enter")
            await expect(page.rows).to_have_count(2)
            await jobs.retitle(amy, hidden.id, "Live again")
            await expect(page.row("Live again")).to_have_count(1)


async def test_user_signs_in_at_the_issuer_and_tokens_are_renewed(browser: Browser, tmp_path: Path) -> None:
    """Authorization code with PKCE: the code leaves the address at once, and the job that was asked for is shown."""
    async with (
        openid_provider() as provider,
        production_server(tmp_path, **provider.settings(), public_url="") as served,
    ):
        url = served.app.url
        async with isolated_page(browser, Server(url), other_url=provider.url) as tab:
            page = JobListPage(tab, url)
            addresses: list[str] = []
            tab.on("framenavigated", lambda frame: addresses.append(frame.url))
            await page.open("?job=job_unknown")
            await page.sign_in.click()
            await expect(page.list.get_by_text("Amy", exact=True)).to_be_visible()
            assert tab.url == f"{url}/?job=job_unknown"
            assert "code-1" not in await page.stored()
            (asked,) = provider.authorizations
            assert (asked["audience"], asked["scope"]) == (AUDIENCE, "openid profile offline_access")
            assert provider.refreshes == 0

            provider.lifetime_seconds = 30  # less than the minute before its end at which a token is renewed
            await page.list.get_by_role("button", name="Sign out").click()
            await expect(page.sign_in).to_be_visible()
            assert provider.ended_sessions == 1
            await page.sign_in.click()
            await expect(page.list.get_by_text("Amy")).to_be_visible()
            await eventually(lambda: provider.refreshes > 0)
            await page.list.get_by_role("button", name="Sign out").click()
            await expect(page.sign_in).to_be_visible()

            await page.open("?code=stolen&state=forged")
            await expect(tab.get_by_role("alert")).to_contain_text("Signing in failed")
            assert tab.url == f"{url}/"
            assert parse_qs(urlsplit(addresses[-1]).query) == {}
