"""What axe-core, which looks for what people with a disability stumble over, says of every tab: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no type hints

if TYPE_CHECKING:
    from conftest import Visitors
    from playwright.sync_api import Page

GRADIOS_OWN = 'aria-label="Empty value"'  # of a field for a picture, until that arrives
pytestmark = pytest.mark.browser


def complaints(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    said = [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
    return [complaint for complaint in said if GRADIOS_OWN not in complaint]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("tab", ["gifs", "interactions", "exposure"])
def test_axe_finds_nothing_before_a_result(visitors: Visitors, suite: str, tab: str, theme: str) -> None:
    page = visitors.open(f"{suite}/?tab={tab}&__theme={theme}")
    page.locator(f"#{tab}-about summary").first.wait_for()
    for fold in page.locator(f"#{tab}-about summary").all():
        fold.click()
    page.locator(f"#{tab}-about [data-embed]").wait_for()
    assert complaints(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_a_corrected_photo(visitors: Visitors, suite: str, theme: str) -> None:
    page = visitors.open(f"{suite}/?tab=exposure&__theme={theme}")
    page.get_by_role("button", name="Coffee, 4 stops too dark").click()
    page.locator("#exposure-status").get_by_text("Done in").wait_for()
    assert complaints(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_interactions(visitors: Visitors, suite: str, theme: str) -> None:
    page = visitors.open(f"{suite}/?tab=interactions&__theme={theme}")
    page.locator("#interactions-samples button").first.click()
    page.locator("#interactions-status").get_by_text("Done in").wait_for()
    assert complaints(page) == []
