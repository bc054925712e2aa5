"""JupyterLab as an analyst uses it: in Chromium, in Japanese and in English."""

import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from workbench.audit import Event

WARN_AT = 100_000  # as the manager of these tests signed it

pytestmark = pytest.mark.slow

WORDS = {
    "ja": {
        "notice": "分析を始める前に",
        "guarantee": "どの組合せにも、こどもが 7 人以上います。",
        "menu": "ファイル",
        "open": "回答待ち",
        "told": "管理責任者",
        "bye": "ログアウトしました",
    },
    "en": {
        "notice": "Before you begin",
        "guarantee": "Every combination is shared by at least 7 children.",
        "menu": "File",
        "open": "waiting for an answer",
        "told": "manager",
        "bye": "You are logged out",
    },
}
# What no menu, palette or button may offer: commands by the beginning of their id.
FORBIDDEN = (
    "apputils:print",
    "debugger:",
    "docmanager:download",
    "docmanager:open-browser-tab",
    "extensionmanager:",
    "filebrowser:copy-download-link",
    "filebrowser:download",
    "filebrowser:open-browser-tab",
    "filebrowser:open-url",
    "filebrowser:share",
    "filemenu:shutdown",
    "help:jupyter-forum",
    "notebook:export",
    "notebook:trust",
    "terminal:",
    "workspace-ui:export",
)


@pytest.fixture(scope="module", params=["ja", "en"])
def at_work(request, browser, open_lab):
    """An analyst who is logged in: the page, the lab, the words of their language."""
    lab, page = open_lab(request.param), browser(request.param)
    return page, lab, WORDS[request.param], request.param


def test_a_day_at_work(at_work):
    """In one go, because a browser is slow to start: each step looks at what the last one left."""
    page, lab, words, language = at_work
    a_wrong_code_does_not_open_the_room(page, lab, language)
    lab.enter(page)
    the_notice_is_read(page, lab, words, language)
    the_panel_tells_what_is_admitted(page, words, language)
    the_lines_that_load_it_run(page, lab, language)
    nothing_forbidden_is_offered(page, language)
    the_report_opens(page, language)
    data_is_asked_for(page, lab, words, language)
    a_download_is_refused(page, lab)
    much_output_is_warned_of(page, lab, words, language)
    logging_out_ends_the_room(page, lab, words, language)


def a_wrong_code_does_not_open_the_room(page, lab, language):
    page.open(f"{lab.address}/lab")
    for field, given in (("name", "mori"), ("passphrase", "wrong"), ("code", "000000")):
        page.see(f"input[name={field}]").send_keys(given)
    page.picture(f"login-{language}")
    page.click("button[type=submit]")
    assert page.see("[role=alert]").text
    page.picture(f"login-refused-{language}")


def the_notice_is_read(page, lab, words, language):
    assert words["notice"] in page.see(".jp-Dialog").text
    page.picture(f"notice-{language}")
    assert Event.NOTICE_ACKNOWLEDGED not in [record["event"] for record in lab.events()]
    page.click(".jp-Dialog .jp-mod-accept")
    page.gone(".jp-Dialog")
    page.wait(lambda: lab.events()[-1]["event"] == Event.NOTICE_ACKNOWLEDGED, "the notice in the log")


def the_panel_tells_what_is_admitted(page, words, language):
    shown = page.see(".workbench-card").text
    assert "child-year@1" in shown
    assert words["guarantee"] in shown
    assert words["menu"] in page.text(".lm-MenuBar-item")
    page.picture(f"panel-{language}")


def nothing_forbidden_is_offered(page, language):
    offered = in_menus(page, language) | in_palette(page, language) | in_context_menu(page, language)

    assert {"docmanager:save", "runmenu:run-all", "filebrowser:rename"} <= offered
    assert [command for command in sorted(offered) if command.startswith(FORBIDDEN)] == []


def in_menus(page, language):
    """The commands of every menu and submenu."""
    page.click(".lm-MenuBar-item")
    offered = set()
    for item in page.all(".lm-MenuBar-item"):
        page.hover(item)
        page.see(".lm-Menu")
        for submenu in page.shown(".lm-Menu-item[data-type=submenu]"):
            page.hover(submenu)
            time.sleep(0.4)  # Lab opens a submenu after a moment
            offered |= commands(page, ".lm-Menu-item")
        offered |= commands(page, ".lm-Menu-item")
    page.picture(f"menu-{language}")
    page.press(Keys.ESCAPE)
    page.press(Keys.ESCAPE)
    return offered


def in_palette(page, language):
    page.press(Keys.CONTROL, Keys.SHIFT, "c")
    page.see(".lm-CommandPalette-item")
    offered = commands(page, ".lm-CommandPalette-item")
    page.picture(f"palette-{language}")
    page.press(Keys.ESCAPE)
    return offered


def in_context_menu(page, language):
    page.click("[data-id=filebrowser]")
    page.context_click(page.see(".jp-DirListing-item[data-isdir=false]"))
    page.see(".lm-Menu-item")
    offered = commands(page, ".lm-Menu-item")
    page.picture(f"context-{language}")
    page.press(Keys.ESCAPE)
    page.click("[data-id=workbench-panel]")
    return offered


def commands(page, selector):
    script = "return [...document.querySelectorAll(arguments[0])].filter(item => item.offsetParent).map(item => item.dataset.command || '')"
    return set(page.driver.execute_script(script, selector))


def the_lines_that_load_it_run(page, lab, language):
    page.click(".workbench-insert")
    page.wait(
        lambda: 'dataset("child-year@1")' in page.text(".jp-Notebook .cm-content"), "the inserted lines"
    )
    page.run_all()
    page.wait(lambda: "child-year@1" in page.text(".jp-OutputArea-output"), "what the lines show")
    page.picture(f"notebook-{language}")
    assert any("child-year@1" in str(r["details"].get("source")) for r in lab.events())


def the_report_opens(page, language):
    page.click(".workbench-report")
    page.driver.switch_to.frame(page.see(".jp-IFrame iframe"))
    assert "child-year" in page.wait(lambda: page.text("h1"), "the report")
    page.driver.switch_to.default_content()
    page.picture(f"report-{language}")


def data_is_asked_for(page, lab, words, language):
    page.see(".workbench-form [name=about]").send_keys("保健室の来室回数")
    page.see(".workbench-form [name=why]").send_keys("登校の判定に使うため")
    page.click(".workbench-form button")
    page.wait(
        lambda: "D-1" in page.text(".workbench-line") and words["open"] in page.text(".workbench-line"), "D-1"
    )
    page.picture(f"asked-{language}")
    assert Event.DATA_REQUESTED in [record["event"] for record in lab.events()]


def a_download_is_refused(page, lab):
    for path in (
        "/files/01_look.ipynb",
        "/files/01_look.ipynb?download=1",
        "/nbconvert/html/01_look.ipynb?download=1",
    ):
        assert page.status(path) == 403
    assert page.status("/api/contents/01_look.ipynb") == 200


def much_output_is_warned_of(page, lab, words, language):
    lab.write("much.ipynb", ("code", f"print('x' * {WARN_AT})"))
    page.open(f"{lab.address}/lab/tree/much.ipynb?reset")
    page.run_all()
    page.wait(lambda: words["told"] in page.text(".jp-OutputArea-output"), "the warning beside the output")
    page.click("[data-id=workbench-panel]")
    page.wait(lambda: words["told"] in page.text(".workbench-warning"), "the warning in the panel")
    page.picture(f"warned-{language}")
    warned = [record["details"] for record in lab.events() if record["event"] == Event.OUTPUT_WARNED]
    assert [(one["person"], one["to"]) for one in warned] == [("mori", ["oka"])]


def logging_out_ends_the_room(page, lab, words, language):
    page.driver.find_elements(By.CSS_SELECTOR, ".lm-MenuBar-item")[0].click()
    page.click(".lm-Menu-item[data-command='filemenu:logout']")
    page.see("button[type=submit]")
    page.picture(f"log-out-{language}")
    page.click("button[type=submit]")
    page.wait(lambda: words["bye"] in page.text("h1"), "the farewell")
    page.open(f"{lab.address}/lab")
    assert page.see("input[name=passphrase]")
    kinds = [record["event"] for record in lab.events()]
    assert kinds.count(Event.KERNEL_STARTED) == kinds.count(Event.KERNEL_STOPPED)
    assert Event.LOGGED_OUT in kinds
    assert list(lab.place.iterdir()) == []
