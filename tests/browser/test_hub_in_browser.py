"""A team's hub as an analyst meets it: in Chromium, in Japanese and in English, from log-in to log-out."""

import pytest

from workbench.audit import Event

pytestmark = pytest.mark.slow

NEW = "白い鳥が 8 羽 窓辺に来た夜"
WORDS = {
    "ja": {"menu": "ファイル", "notice": "分析を始める前に", "changed": "変更しました"},
    "en": {"menu": "File", "notice": "Before you begin", "changed": "Changed"},
}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_day_in_a_team(open_hub, browser, language):
    """In one go, because a hub is slow to start: each step looks at what the last one left."""
    lab, page = open_hub(language), browser(language)
    words = WORDS[language]
    a_wrong_code_does_not_open_the_hub(page, lab, language)
    log_in(page, lab, passphrase=lab.passphrase, code=lab.code)
    the_room_opens_with_its_notice(page, lab, words, language)
    no_kernel_runs_before_it_was_read(lab)
    a_notebook_runs(page, lab, language)
    the_passphrase_is_changed(page, lab, words, language)
    logging_out_closes_the_room(page, lab, language)


def log_in(page, lab, *, passphrase, code):
    page.open(f"{lab.address}/hub/login")
    for field, given in (("username", "mori"), ("password", passphrase), ("otp", code)):
        page.see(f"input[name={field}]").send_keys(given)
    page.picture("hub-login")
    page.click("button[type=submit]")


def a_wrong_code_does_not_open_the_hub(page, lab, language):
    log_in(page, lab, passphrase=lab.passphrase, code="000000")
    assert "ログインできません" in page.see("[role=alert]").text
    page.picture(f"hub-refused-{language}")


def the_room_opens_with_its_notice(page, lab, words, language):
    """Log-in leads to the room itself; the page says that it is being opened."""
    page.wait(lambda: page.shown("[role=status]") or page.shown(".jp-Dialog"), "a room on its way")
    page.picture(f"hub-opening-{language}")
    assert words["notice"] in page.see(".jp-Dialog").text
    page.picture(f"hub-notice-{language}")
    assert "/user/mori/" in page.driver.current_url
    assert words["menu"] in page.text(".lm-MenuBar-item")
    assert "child-year@1" in page.see(".workbench-card").text


def no_kernel_runs_before_it_was_read(lab):
    kinds = [record["event"] for record in lab.events()]
    assert Event.GATEWAY_OPENED in kinds
    assert Event.KERNEL_STARTED not in kinds
    assert Event.NOTICE_ACKNOWLEDGED not in kinds


def a_notebook_runs(page, lab, language):
    lab.write("six.ipynb", ("code", "print(6 * 7)"))
    page.click(".jp-Dialog .jp-mod-accept")
    page.gone(".jp-Dialog")
    page.open(f"{lab.address}/user/mori/lab/tree/six.ipynb?reset")
    page.run_all()
    page.wait(lambda: "42" in page.text(".jp-OutputArea-output"), "the answer")
    page.click("[data-id=workbench-panel]")
    page.picture(f"hub-notebook-{language}")
    sources = [r["details"]["source"] for r in lab.events() if r["event"] == Event.CELL_EXECUTED]
    assert sources == ["print(6 * 7)"]


def the_passphrase_is_changed(page, lab, words, language):
    """From the room's own page; the log-in ends, and the old passphrase opens nothing."""
    page.open(f"{lab.address}/user/mori/account?lang={language}")
    for field, given in (
        ("passphrase", lab.passphrase),
        ("code", lab.recovery.pop()),
        ("new", NEW),
        ("again", NEW),
    ):
        page.see(f"input[name={field}]").send_keys(given)
    page.picture(f"hub-account-{language}")
    page.click("button[type=submit]")
    page.wait(lambda: words["changed"] in page.text("h1"), "the change")
    page.picture(f"hub-account-changed-{language}")
    page.click("main > p a")
    page.see("input[name=username]")
    log_in(page, lab, passphrase=lab.passphrase, code=lab.recovery[-1])
    assert "ログインできません" in page.see("[role=alert]").text
    log_in(page, lab, passphrase=NEW, code=lab.recovery.pop())
    page.click(".jp-Dialog .jp-mod-accept")
    page.gone(".jp-Dialog")


def logging_out_closes_the_room(page, lab, language):
    page.all(".lm-MenuBar-item")[0].click()
    page.click(".lm-Menu-item[data-command='filemenu:logout']")
    page.see("input[name=username]")
    page.picture(f"hub-log-out-{language}")
    page.open(f"{lab.address}/user/mori/lab")
    page.see("input[name=password]")

    def closed():
        kinds = [record["event"] for record in lab.events()]
        return kinds.count(Event.GATEWAY_OPENED) == kinds.count(Event.GATEWAY_CLOSED)

    page.wait(closed, "the room's end in the log")
    kinds = [record["event"] for record in lab.events()]
    assert kinds.count(Event.KERNEL_STARTED) == kinds.count(Event.KERNEL_STOPPED) > 0
    assert Event.ACCOUNT_CHANGED in kinds
