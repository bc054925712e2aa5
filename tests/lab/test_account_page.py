"""One's own passphrase and authenticator, changed from the room: with both, and every log-in ends."""

import re

from workbench.demo.cast import PASSPHRASE
from workbench.governance.one_time_codes import RECOVERY_CODES, RECOVERY_SIZE, recovery_codes
from workbench.state import State

NEW = "a new sentence for the room"


def sent(lab, **given):
    lab.ask("/account")
    form = {"_xsrf": lab.cookies["_xsrf"], "passphrase": PASSPHRASE, "code": "", "new": "", "again": ""}
    status, _, page = lab.ask("/account", method="POST", form=form | given)
    return status, page.decode()


def events(lab, kind):
    state = State.open(lab.home)
    found = [record["details"] for record in state.log.records() if record["event"] == kind]
    state.close()
    return found


def test_the_page_is_for_who_is_logged_in(lab):
    assert lab.stranger().status("/account") in (302, 403)
    for language, words in (("ja", "今の合言葉"), ("en", "Present passphrase")):
        page = lab.ask(f"/account?lang={language}")[2].decode()
        assert words in page
        assert 'autocomplete="new-password"' in page


def test_a_passphrase_and_an_authenticator_are_changed(serve, tmp_path):
    """One server for the story: what is wrong changes nothing, what is right ends the log-in and not the room."""
    with serve(tmp_path, port=18894) as lab:
        codes = recovery_codes(
            lambda _: lab.home.entropy("recovery analyst-1 1", size=RECOVERY_CODES * RECOVERY_SIZE)
        )
        for wrong in (
            {"code": "000000", "new": NEW, "again": NEW},
            {"passphrase": "not the words at all", "code": codes[0], "new": NEW, "again": NEW},
            {"code": codes[0], "new": NEW, "again": "another one"},
            {"code": codes[0], "new": "short", "again": "short"},
            {"code": codes[0]},
        ):
            status, page = sent(lab, **wrong)
            assert status == 403
            assert 'role="alert"' in page
        assert events(lab, "account.changed") == []
        assert lab.status("/api/contents") == 200

        # attack: a page elsewhere sends the form, without this page's own proof
        form = {"passphrase": PASSPHRASE, "code": codes[0], "new": NEW, "again": NEW}
        assert lab.ask("/account", method="POST", form=form, headers={"X-XSRFToken": ""})[0] == 403
        assert events(lab, "account.changed") == []

        status, page = sent(lab, code=codes[0], new=NEW, again=NEW, authenticator="new")
        assert status == 200
        assert "data:image/svg+xml" in page
        shown = re.search(r"<pre>(.*?)</pre>", page, re.DOTALL).group(1).split()
        assert len(shown) == RECOVERY_CODES
        assert events(lab, "account.changed") == [
            {"person": "analyst-1", "what": ["passphrase", "authenticator"]}
        ]
        assert events(lab, "login.closed")[-1]["reason"] == "changed"
        assert lab.status("/api/contents") == 403
        assert events(lab, "gateway.closed") == []

        assert lab.log_in("analyst-1", PASSPHRASE, codes[1])[0] == 403
        assert lab.log_in("analyst-1", NEW, codes[1])[0] == 403
        assert lab.log_in("analyst-1", NEW, shown[0])[0] == 302
