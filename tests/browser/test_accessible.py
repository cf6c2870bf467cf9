"""What axe finds on the web page: nothing, in any of its states."""

from __future__ import annotations

import pytest
from scripted import Scripted
from steps import DESKTOP, PHONE, choose, row

pytest.importorskip("axe_playwright_python", reason="needs trocr[browser]")
expect = pytest.importorskip("playwright.sync_api", reason="needs trocr[browser]").expect
pytestmark = pytest.mark.browser


def found(page):
    from axe_playwright_python.sync_playwright import Axe

    faults = Axe().run(page).response["violations"]
    return [(fault["impact"], fault["id"], fault["nodes"][0]["html"]) for fault in faults]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing(tab, server, screen, scheme):
    script = Scripted(pages=2)
    script.held.set()
    page = tab(server(script).url, **screen, color_scheme=scheme)
    expect(page.locator("#model option").first).to_be_attached()
    assert found(page) == []
    choose(page)
    expect(page.locator("#frame polygon")).to_have_count(4)
    assert found(page) == []
    script.held.clear()
    expect(page.locator("#download")).to_be_enabled()
    assert found(page) == []
    page.locator("#review").click()
    row(page, 2).fill("corrected")
    expect(page.locator("#saving")).to_have_text("Saved")
    assert found(page) == []
    page.locator("#train").click()
    assert found(page) == []


def test_the_page_can_be_used_by_keyboard_alone(tab, server):
    page = tab(server(Scripted()).url)
    expect(page.locator("#model option").first).to_be_attached()
    for name in ("model", "choose"):
        page.keyboard.press("Tab")
        expect(page.locator(f"#{name}")).to_be_focused()
    choose(page)
    expect(page.locator(".status")).to_have_text("4 lines, 3 to check")
    page.locator("#copy").focus()
    reached = []
    for _ in range(11):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.type"))
    order = ["zoom-out", "zoom-in", "fit", "written", "frame", "read", "review"]
    assert reached == [*order, "textarea", "button", "button", "button"]
