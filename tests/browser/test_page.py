"""The web page of a server whose answers are scripted."""

from __future__ import annotations

import pytest
from scripted import Scripted, lines
from steps import PHONE, PICTURE, choose, corrections, job_id, row, shown

from trocr.serving.messages import Failed
from trocr.writers import FORMATS
from trocr.writers.grades import AT_LEAST

expect = pytest.importorskip("playwright.sync_api", reason="needs trocr[browser]").expect
pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
ARABIC = "مرحبا بالعالم"


@pytest.fixture
def script():
    return Scripted()


@pytest.fixture
def url(server, script):
    return server(script).url


@pytest.fixture
def page(tab, url):
    """A file was read."""
    page = tab(url)
    choose(page)
    expect(page.locator(".status")).to_have_text("4 lines, 3 to check")
    return page


def saved(page):
    expect(page.locator("#saving")).to_have_text("Saved")


def test_lines_appear_as_they_are_read(tab, url, script):
    script.held.set()
    page = tab(url)
    choose(page)
    expect(page.locator("#frame polygon")).to_have_count(4)
    expect(page.locator(".status")).to_have_text("page 1: 4 of 4 lines")
    assert shown(page) == ["first", "second", "third", "fourth"]
    expect(page.locator("textarea").first).not_to_be_editable()
    expect(page.locator("#download")).to_be_disabled()
    script.held.clear()
    expect(row(page, 1)).to_be_editable()
    expect(page.locator("#download")).to_be_enabled()


def test_what_was_read_is_text_wherever_it_is_shown(tab, server):
    url = server(Scripted(lines([(HOSTILE, 0.3)]))).url
    page = tab(url)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    choose(page, {**PICTURE, "name": f"{HOSTILE}.png"})
    expect(row(page, 1)).to_have_value(HOSTILE)
    page.locator("#written").click()
    expect(page.locator("#frame text")).to_have_text(HOSTILE)
    page.locator("#review").click()
    row(page, 1).press("Enter")
    saved(page)
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert asked == []


def test_a_failure_is_told_as_text_with_what_to_do(tab, server):
    failed = Failed("ImageError", f"{HOSTILE} is no picture.", "Save it as PNG.")
    page = tab(server(Scripted(failure=failed)).url)
    choose(page)
    expect(page.locator("#state")).to_have_text(f"{HOSTILE} is no picture. Save it as PNG.")
    assert page.locator("img").count() == 0


def test_the_keyboard_walks_through_what_is_least_sure_first(page, url):
    page.locator("#review").click()
    assert shown(page) == ["fourth", "second", "third", "first"]
    expect(row(page, 4)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Alt+N")
    page.keyboard.press("Alt+K")
    expect(row(page, 1)).to_be_focused()
    page.keyboard.type("!")
    page.keyboard.press("ArrowUp")
    expect(row(page, 3)).to_be_focused()
    saved(page)
    assert sorted(corrections(url, job_id(page))) == [
        (1, "first!", "ok"),
        (2, "second", "not-text"),
        (3, "third", "skip"),
        (4, "fourth", "ok"),
    ]
    expect(page.locator("#checked-of")).to_have_text("4 of 4 lines checked")
    page.keyboard.press("Escape")
    saved(page)
    assert (3, "third", "skip") not in corrections(url, job_id(page))
    page.locator("#review").click()
    expect(row(page, 3)).to_be_focused()
    assert shown(page) == ["third", "fourth", "second", "first!"]


def test_changes_are_undone_and_redone(page, url):
    row(page, 2).fill("second try")
    row(page, 3).press("Enter")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    expect(row(page, 2)).to_have_value("second")
    expect(row(page, 2)).to_be_focused()
    expect(page.locator("#undo")).to_be_disabled()
    page.keyboard.press("Control+Shift+Z")
    expect(row(page, 2)).to_have_value("second try")
    saved(page)
    assert corrections(url, job_id(page)) == [(2, "second try", "ok")]


def test_letters_typed_at_once_are_undone_at_once(page):
    row(page, 1).press("End")
    page.keyboard.type(" class")
    page.keyboard.press("Control+z")
    expect(row(page, 1)).to_have_value("first")
    page.keyboard.press("Control+y")
    expect(row(page, 1)).to_have_value("first class")


def test_text_and_picture_point_at_each_other(page):
    outlines, rows = page.locator("#frame polygon"), page.locator("#lines li")
    rows.nth(1).hover()
    expect(outlines.nth(1)).to_have_class("doubtful on")
    outlines.nth(2).hover()
    expect(rows.nth(2)).to_have_class("check on")
    expect(rows.nth(1)).not_to_have_class("doubtful on")
    outlines.nth(2).click()
    expect(row(page, 3)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(outlines.nth(3)).to_have_class("unknown on")


def test_confidence_is_shown_by_more_than_colour(page):
    assert page.locator(".confidence").all_text_contents() == ["95%", "30%", "70%", "–"]
    dashes = [
        outline.evaluate("each => getComputedStyle(each).strokeDasharray")
        for outline in page.locator("#frame polygon").all()
    ]
    assert len(set(dashes)) == 4
    ours = page.evaluate("import('./static/confidence.js').then(({ AT_LEAST }) => AT_LEAST)")
    assert ours == AT_LEAST


def test_pages_are_turned_and_zoomed(tab, server):
    page = tab(server(Scripted(pages=3)).url)
    choose(page)
    expect(page.locator("#page-of")).to_have_text("Page 1 of 3")
    page.get_by_label("Next page").click()
    expect(row(page, 1, on=2)).to_be_visible()
    before = page.locator("#frame > svg").bounding_box()["width"]
    page.get_by_label("Larger").click()
    assert page.locator("#frame > svg").bounding_box()["width"] > before * 1.2
    page.locator("#review").click()
    row(page, 2, on=3).focus()
    expect(page.locator("#page-of")).to_have_text("Page 3 of 3")


def test_several_files_are_several_jobs(tab, url, script):
    page = tab(url)
    choose(page, PICTURE, {**PICTURE, "name": "other.png"})
    expect(page.locator("#jobs .status")).to_have_text(["4 lines, 3 to check"] * 2)
    page.get_by_role("button", name="other.png 4 lines").click()
    expect(page.get_by_role("heading", name="other.png")).to_be_visible()
    page.get_by_label("Remove other.png").click()
    expect(page.get_by_role("heading", name="scan.png")).to_be_visible()
    expect(page.locator("#jobs li")).to_have_count(1)


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_files_are_dropped_and_pasted(tab, url, way):
    page = tab(url)
    page.evaluate(
        """way => {
          const files = new DataTransfer();
          files.items.add(new File(["whatever"], "scan.png", { type: "image/png" }));
          const event = way === "drop"
            ? new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: files, bubbles: true });
          document.body.dispatchEvent(event);
        }""",
        way,
    )
    expect(page.locator(".status")).to_have_text("4 lines, 3 to check")


def test_what_is_asked_of_a_pdf_is_sent(tab, server, script):
    running = server(script)
    page = tab(running.url)
    page.get_by_text("PDF options").click()
    page.get_by_label("Pages").fill("2-3")
    page.get_by_label("Password").fill("pässword")
    page.get_by_label("keep the text").check()
    page.get_by_label("Model").select_option("fast")
    choose(page)
    expect(page.locator(".status")).to_have_text("4 lines, 3 to check")
    (task,) = running.pool.tasks
    assert (task.pages, task.password, task.keep_text) == ("2-3", "pässword", True)
    assert task.options.model == "fast"


def test_a_running_job_is_cancelled(tab, server):
    script = Scripted(pages=2, held_from=2)
    script.held.set()
    running = server(script)
    page = tab(running.url)
    choose(page)
    expect(row(page, 1)).to_be_editable()
    expect(page.locator(".status")).to_have_text("page 2: 4 of 4 lines")
    page.get_by_label("Cancel scan.png").click()
    expect(page.locator(".status")).to_have_text("cancelled, 8 lines read")
    expect(row(page, 1)).not_to_be_editable()
    page.get_by_label("Remove scan.png").click()
    expect(page.get_by_text("Pictures and PDFs in, text out")).to_be_visible()
    assert running.pool.runs[0].cancelled


def test_a_page_that_is_loaded_again_has_everything_again(page):
    row(page, 2).fill("2nd")
    saved(page)
    page.reload()
    expect(row(page, 2)).to_have_value("2nd")
    expect(page.locator(".status")).to_have_text("4 lines, 2 to check")


def test_events_go_on_where_the_connection_was_lost(tab, url):
    page = tab(url)
    asked = []

    def cut(route):
        asked.append(route.request.headers.get("last-event-id"))
        if len(asked) > 1:
            route.continue_()
            return
        whole = route.fetch().text()
        events = whole.replace("\r\n", "\n").split("\n\n")
        route.fulfill(body="\n\n".join(events[:3]) + "\n\nevent: line\nid: 99\nda")

    page.route("**/events", cut)
    choose(page)
    expect(page.locator(".status")).to_have_text("4 lines, 3 to check")
    assert shown(page) == ["first", "second", "third", "fourth"]
    assert asked == [None, "2"]


def test_a_busy_server_is_asked_again(tab, url):
    page = tab(url)
    answers = []

    def refuse(route):
        answers.append(route)
        if len(answers) > 1:
            route.continue_()
            return
        problem = '{"status": 429, "detail": "Too much is waiting."}'
        route.fulfill(status=429, headers={"Retry-After": "1"}, body=problem)

    page.route("**/v1/jobs?*", refuse)
    choose(page)
    expect(page.locator(".status")).to_have_text("waits: the server is busy")
    expect(page.locator(".status")).to_have_text("4 lines, 3 to check")


def test_what_is_not_saved_is_said_and_saved_later(page, url):
    page.route("**/corrections", lambda route: route.abort())
    row(page, 1).press("Enter")
    expect(page.locator("#saving")).to_have_text("Not saved: The server does not answer.")
    page.unroute("**/corrections")
    expect(page.locator("#saving")).to_have_text("Saved", timeout=9000)
    assert corrections(url, job_id(page)) == [(1, "first", "ok")]


def test_what_is_said_before_all_is_read_is_saved_then(tab, server):
    script = Scripted(pages=2, held_from=2)
    script.held.set()
    page = tab(server(script).url)
    choose(page)
    expect(row(page, 1)).to_be_editable()
    row(page, 1).press("Enter")
    expect(page.locator("#saving")).to_have_text("Saved when all is read")
    script.held.clear()
    saved(page)


def test_a_key_is_asked_for_and_goes_into_no_address(tab, server, script):
    page = tab(server(script, api_keys=("secret",)).url)
    addresses = []
    page.on("request", lambda request: addresses.append(request.url))
    key = page.get_by_role("dialog", name="API key")
    expect(key).to_contain_text("The server wants a key.")
    key.get_by_label("Key").fill("wrong")
    key.get_by_label("Key").press("Enter")
    expect(key).to_contain_text("The server refuses the key.")
    key.get_by_label("Key").fill("secret")
    key.get_by_role("button", name="Use it").click()
    expect(key).to_be_hidden()
    choose(page)
    expect(page.locator(".status")).to_have_text("4 lines, 3 to check")
    assert page.evaluate("sessionStorage.getItem('trocr-key')") == "secret"
    assert not any("secret" in address for address in addresses)


def test_without_a_key_the_refusal_is_told(tab, server, script):
    page = tab(server(script, api_keys=("secret",)).url)
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("key")


def test_the_text_is_copied(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy text").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert '"format": "txt"' in page.evaluate("navigator.clipboard.readText()")


def test_every_format_is_offered(page):
    offered = page.locator("#format option").evaluate_all("all => all.map(each => each.value)")
    assert sorted(offered) == sorted(FORMATS.keys() - {"template"})


def test_text_from_right_to_left_is_shown_so(tab, server):
    page = tab(server(Scripted(lines([(ARABIC, 0.9), ("left", 0.9)]))).url)
    choose(page)
    expect(row(page, 2)).to_be_visible()
    directions = page.locator("textarea").evaluate_all(
        "all => all.map(each => getComputedStyle(each).direction)"
    )
    assert directions == ["rtl", "ltr"]


def test_nothing_moves_where_that_is_not_wanted(tab, url, script):
    script.held.set()
    page = tab(url, reduced_motion="reduce")
    choose(page)
    expect(page.locator("#frame .fresh")).to_have_count(4)
    moving = page.locator(".fresh").first.evaluate("each => getComputedStyle(each).animationName")
    script.held.clear()
    assert moving == "none"


def test_a_phone_shows_all_within_its_width(tab, url):
    page = tab(url, **PHONE)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    expect(page.get_by_text("Take a photo")).to_be_visible()
    assert page.locator("#photo").get_attribute("capture") == "environment"
    choose(page)
    expect(row(page, 2)).to_be_visible()
    assert page.evaluate(fits)
    page.locator("#review").tap()
    expect(page.locator("#picture")).to_be_hidden()
    page.locator("#lines li").first.get_by_label("Right", exact=True).tap()
    saved(page)
    assert page.evaluate(fits)
    sizes = page.locator("button:visible").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    assert min(min(size) for size in sizes) >= 24
