"""The review pages of a hub as a reviewer meets them: in Chromium, in Japanese and in English."""

import pytest
from selenium.webdriver.common.by import By

from workbench.audit import Event

pytestmark = pytest.mark.slow

WORDS = {
    "ja": {
        "waiting": "審査を待つ申請",
        "others": "ほかの人の投票は、自分の投票の後に",
        "refused": "合言葉",
        "vote": "受け入れる",
        "gone": "一覧から開き直して",
        "report": "匿名性確認報告書",
        "purpose": "登校の支援の早期の気付き",
    },
    "en": {
        "waiting": "Waiting for review",
        "others": "Others' votes are shown once yours is cast",
        "refused": "passphrase",
        "vote": "admit",
        "gone": "open it from the list",
        "report": "Anonymity report",
        "purpose": "Noticing early who needs help",
    },
}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_review(open_hub, browser, in_review, language):
    """In one go: from the log-in, which leads here, to the vote and the log-out."""
    known = []
    lab = open_hub(language, prepare=lambda home: known.append(in_review(home)))
    [reviewer], page, words = known, browser(language), WORDS[language]
    log_in(page, lab, reviewer)
    the_list_says_what_waits(page, reviewer, words, language)
    the_report_is_read_in_its_frame(page, reviewer, words, language)
    a_wrong_passphrase_does_not_vote(page, lab, words, language)
    the_vote_is_signed_and_shown(page, lab, reviewer, words, language)
    what_is_not_there_is_said(page, lab, words, language)
    logging_out_ends_it(page, lab)


def log_in(page, lab, reviewer):
    page.open(f"{lab.address}/hub/login")
    given = {"username": "tanaka", "password": reviewer.passphrase, "otp": reviewer.recovery.pop()}
    for field, text in given.items():
        page.see(f"input[name={field}]").send_keys(text)
    page.click("button[type=submit]")


def the_list_says_what_waits(page, reviewer, words, language):
    page.see("table")
    page.picture(f"review-list-{language}")
    assert words["waiting"] in page.text("h2")
    assert words["purpose"] in page.text("table")
    page.click(f"ul a[href*='{reviewer.request}']")


def the_report_is_read_in_its_frame(page, reviewer, words, language):
    page.see("iframe")
    assert words["others"] in page.text(".note")
    page.picture(f"review-request-{language}")
    page.driver.switch_to.frame(page.see("iframe"))
    page.wait(lambda: words["report"] in page.driver.find_element(By.TAG_NAME, "body").text, "the report")
    page.driver.switch_to.default_content()
    page.driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    page.picture(f"review-form-{language}")


def vote(page, words):
    page.click("input[value=admit]")
    page.see("#comment").send_keys("読みました")
    page.see("#passphrase").send_keys(words)
    page.click("button[type=submit]")


def a_wrong_passphrase_does_not_vote(page, lab, words, language):
    vote(page, "wrong words for a test")
    assert words["refused"] in page.see("#refused").text
    page.driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    page.picture(f"review-refused-{language}")
    assert Event.VOTE_REFUSED in [record["event"] for record in lab.events()]


def the_vote_is_signed_and_shown(page, lab, reviewer, words, language):
    vote(page, reviewer.key_words)
    page.wait(lambda: "読みました" in page.text("main li"), "the vote")
    assert words["vote"] in page.text("main li")
    page.driver.execute_script("window.scrollTo(0, document.body.scrollHeight)")
    page.picture(f"review-voted-{language}")
    assert [r["actor"] for r in lab.events() if r["event"] == Event.REQUEST_VOTED][-1] == "tanaka"


def what_is_not_there_is_said(page, lab, words, language):
    page.open(f"{lab.address}/services/review/R-999")
    assert words["gone"] in page.see("[role=alert]").text
    page.picture(f"review-not-there-{language}")


def logging_out_ends_it(page, lab):
    page.click("nav a[href$=logout]")
    page.see("input[name=username]")
    page.open(f"{lab.address}/services/review/")
    page.see("input[name=password]")
