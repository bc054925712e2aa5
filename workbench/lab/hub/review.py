"""
The review pages: what waits for a decision, its report, and a vote signed with the reader's own key.

The hub says who somebody is; the home's own table says, at every request, what they may do. A vote takes the
passphrase of the voter's key, which is opened for this one signature and forgotten. Others' votes are shown
once one's own is cast: the second reader reads without knowing what the first one thought.

A log-in grows idle here as it does in a room (`visits`).
"""

import argparse
import asyncio
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import jinja2
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.utils import url_path_join
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.web import Application, HTTPError, RequestHandler, authenticated

from workbench.artifact.keys import KeyRing
from workbench.artifact.manifest import read as read_manifest
from workbench.artifact.times import to_text
from workbench.audit import Event
from workbench.errors import LANGUAGES, Usage, WorkbenchError, language
from workbench.governance.accounts import Accounts
from workbench.governance.charter import Projects
from workbench.governance.people import ROLE_NAMES, People, Person, why_not
from workbench.home import Home
from workbench.lab.gateway.server import Rate
from workbench.lab.hub.lineage import end_with_parent
from workbench.lab.hub.visits import Visits
from workbench.lab.identity import REFUSED_AFTER
from workbench.release.moves import LABELS, State
from workbench.release.requests import Request
from workbench.release.votes import Vote, cast
from workbench.state import State as Store

if TYPE_CHECKING:
    from workbench.release.workflow import Workflow

VOTES_PER_MINUTE = 6
REMEMBERED_SECONDS = 10  # how long the hub's word about a log-in is taken without asking again
LOOK_ROUND_SECONDS = 5
FIELDS = ("vote", "report", "comment", "passphrase")
LONGEST = 2000
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "frame-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
# The report is ours, and shows names that somebody else wrote: it runs nothing and reaches nothing.
REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)
# What the page says where it does not open, and what to do next.
ERRORS = {
    403: (
        "この画面は開けません。役割に権限がないか、ログインの時間が過ぎています。一覧に戻り、求められたらログインしてください。",
        "This page does not open: your role may not read it, or your log-in has ended. Go back to the list, and log in if you are asked to.",
    ),
    404: (
        "この申請か報告書はありません。一覧から開き直してください。",
        "There is no such request or report; open it from the list.",
    ),
}
WENT_WRONG = (
    "処理できませんでした。もう一度試し、続くときは運用担当者に連絡してください。",
    "This could not be done; try again, and tell the operator if it goes on.",
)
VOTE_LABELS = {
    Vote.ADMIT: ("受け入れる", "admit"),
    Vote.RETURN: ("差し戻す", "return"),
    Vote.REJECT: ("否認する", "reject"),
}
pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(
        [Path(__file__).with_name("templates"), Path(__file__).parents[1] / "templates"]
    ),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


class Page(HubOAuthenticated, RequestHandler):
    """A page for somebody whom the hub knows and who may read reports."""

    def initialize(self, home: Home, state: Store, rate: dict[str, Rate], visits: Visits) -> None:
        self.home, self.state, self.rate, self.visits = home, state, rate, visits
        self.hub_auth.cache_max_age = REMEMBERED_SECONDS
        self.hub_auth.allow_token_in_url = False

    def get_current_user(self) -> dict[str, Any] | None:
        """Whoever the hub says it is, while their visit lasts; after it the way in leads out of the hub first."""
        user: dict[str, Any] | None = super().get_current_user()
        if user is None:
            return None
        token = self.hub_auth.get_token(self) or ""
        if self.visits.is_here(user["name"], token, acts=self.is_caused_by_somebody()):
            return user
        self._hub_login_url = self.hub_auth.hub_host + url_path_join(self.hub_auth.hub_prefix, "logout")
        return None

    def is_caused_by_somebody(self) -> bool:
        """
        Whether somebody chose this: a form, or a page that the browser says its user asked for.

        A page that is fetched again and again by a program or by its own browser carries no such mark (Fetch
        Metadata Request Headers, section 2.4). Where a browser never sets it, the idle time begins with the log-in.
        """
        return self.request.method == "POST" or self.request.headers.get("Sec-Fetch-User") == "?1"

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", PAGE_POLICY)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")

    @property
    def person(self) -> Person:
        """Who is reading; 403 for whose role does not."""
        try:
            person = People(self.state).get(self.current_user["name"])
        except WorkbenchError:
            raise HTTPError(403) from None
        if why_not(person, "read_reports") is not None:
            raise HTTPError(403)
        return person

    @property
    def tongue(self) -> str:
        wanted = (self.get_query_argument("lang", ""), self.request.headers.get("Accept-Language", "")[:2])
        return next((tag for tag in wanted if tag in LANGUAGES), language())

    @property
    def workflow(self) -> "Workflow":
        # It brings every check along, which takes longer to load than the hub waits for these pages.
        from workbench.release.workflow import Workflow

        return Workflow.open(self.home, self.state)

    def find(self, number: str) -> Request:
        try:
            return self.workflow.find(f"R-{number}")
        except WorkbenchError:
            raise HTTPError(404) from None

    def show(self, template: str, **given: Any) -> None:
        named = {
            "purposes": {one.purpose: one.title[self.tongue] for one in Projects(self.state).all()},
            "lang": self.tongue,
            "roles": ROLE_NAMES,
            "base": self.hub_auth.base_url,
            "hub": self.hub_auth.hub_prefix,
        }
        self.finish(pages.get_template(template).render(**named, **given))

    def write_error(self, status_code: int, **_: Any) -> None:
        """What happened and what to do next; nothing of what the error itself says."""
        self.show("review_error.html.j2", status=status_code, said=ERRORS.get(status_code, WENT_WRONG))


class Every(Page):
    """The list of requests."""

    @authenticated
    def get(self) -> None:
        person = self.person
        found = sorted(self.workflow.every(), key=lambda one: -one.number)
        waiting = [one for one in found if one.state is State.IN_REVIEW]
        self.show("review.html.j2", person=person, waiting=waiting, found=found, labels=LABELS)


class One(Page):
    """One request, its report and the form to vote with."""

    @authenticated
    def get(self, number: str) -> None:
        self.ask(self.person, self.find(number))

    def ask(self, person: Person, request: Request, *, refused: WorkbenchError | None = None) -> None:
        cast = self.workflow.standing_votes(request.id)
        own = next((ballot for ballot in cast if ballot["person"] == person.id), None)
        open_ = own is not None or request.state is not State.IN_REVIEW
        missing = self.workflow.why_not_admit(request.id) if open_ else None
        self.show(
            "request.html.j2",
            person=person,
            request=request,
            label=LABELS[request.state],
            votes=cast if open_ else None,
            own=own,
            missing=missing and {"ja": missing.ja, "en": missing.en}[self.tongue],
            why_not=self.why_not_vote(person, request),
            choices=VOTE_LABELS,
            refused=refused and {"ja": refused.ja, "en": refused.en}[self.tongue],
            xsrf=self.xsrf_token.decode(),
        )

    def why_not_vote(self, person: Person, request: Request) -> str | None:
        """Why there is no form for this reader, in their language; None where there is one."""
        from workbench.release.rules import why_not_vote

        refused = why_not(person, "vote") or why_not_vote(request, person=person.id)
        return refused and {"ja": refused.ja, "en": refused.en}[self.tongue]

    @authenticated
    async def post(self, number: str) -> None:
        """Count a vote; a refusal comes back to the page, after the same time whatever it was for."""
        began = time.monotonic()
        person, request = self.person, self.find(number)
        said = {name: self.get_body_argument(name, "", strip=False)[:LONGEST] for name in FIELDS}
        try:
            too_often = self.rate.setdefault(person.id, Rate(VOTES_PER_MINUTE)).why_not()
            if too_often is not None:
                raise too_often
            await asyncio.to_thread(self.vote, person, request, said)
        except WorkbenchError as refused:
            self.state.record(
                Event.VOTE_REFUSED,
                actor=person.id,
                request=request.id,
                person=person.id,
                family=type(refused).__name__,
            )
            await asyncio.sleep(max(0.0, began + REFUSED_AFTER - time.monotonic()))
            self.set_status(403)
            self.ask(person, request, refused=refused)
            return
        self.redirect(url_path_join(self.hub_auth.base_url, f"R-{number}?lang={self.tongue}"))

    def vote(self, person: Person, request: Request, said: dict[str, str]) -> None:
        """Sign with the person's own key, and carry out what the votes decide."""
        refused = why_not(person, "vote")
        if refused is not None:
            raise refused
        if said["vote"] not in list(Vote):
            raise not_a_vote()
        signer = KeyRing.of(self.home).signer(person.owner, words=said["passphrase"])
        workflow = self.workflow
        envelope = cast(
            Vote(said["vote"]),
            home=self.home.identity,
            request=request.id,
            report=said["report"],
            person=person.id,
            signer=signer,
            cast_at=to_text(datetime.now(UTC)),
            comment=said["comment"],
        )
        if workflow.vote(request.id, person=person.id, envelope=envelope) is Vote.ADMIT:
            workflow.admit(request.id)


class ReportPage(Page):
    """The report as it was sealed, in a frame that runs nothing. That it was read is in the log."""

    @authenticated
    def get(self, number: str) -> None:
        from workbench.release.staging import PAGE

        person, request = self.person, self.find(number)
        bundle = request.bundle(self.home)
        if request.report is None or not bundle.is_dir():
            raise HTTPError(404)
        self.state.record(Event.REPORT_READ, actor=person.id, request=request.id, report=request.report)
        self.set_header("Content-Security-Policy", REPORT_POLICY)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(opened_in(self.tongue, read_manifest(bundle).content(bundle, PAGE)))


class Callback(HubOAuthCallbackHandler):
    """The end of a log-in at the hub."""

    def initialize(self, **_: Any) -> None:
        """Nothing of the home is needed here."""


def opened_in(tongue: str, page: bytes) -> bytes:
    """A report with the reader's language chosen of the two that it was sealed with; nothing else is touched."""
    for tag in LANGUAGES:
        switch = f'id="show-{tag}"'.encode()
        page = page.replace(switch + b" checked", switch, 1)
        page = page.replace(switch, switch + b" checked", 1) if tag == tongue else page
    return page


def not_a_vote() -> Usage:
    return Usage(
        ja="判断（受け入れる・差し戻す・否認する）を一つ選んでください。",
        en="Choose one decision: admit, return or reject.",
    )


def application(home: Home, state: Store, *, prefix: str, visits: Visits) -> Application:
    """The pages under `prefix`, for whose visit lasts."""
    given: dict[str, Any] = {"home": home, "state": state, "rate": {}, "visits": visits}
    return Application(
        [
            (rf"{prefix}oauth_callback", Callback, given),
            (rf"{prefix}R-(\d{{1,9}})", One, given),
            (rf"{prefix}R-(\d{{1,9}})/report", ReportPage, given),
            (rf"{prefix}?", Every, given),
        ],
        cookie_secret=os.urandom(32),
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"samesite": "Strict", "httponly": True, "path": prefix},
    )


def main() -> None:
    """Serve the pages where the hub's environment says."""
    end_with_parent()
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    home = Home.open(parser.parse_args().home)
    at = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
    state, loop = Store.open(home), IOLoop.current()
    visits = Visits(Accounts(home, state))
    made = application(home, state, prefix=os.environ["JUPYTERHUB_SERVICE_PREFIX"], visits=visits)
    HTTPServer(made, xheaders=True).listen(at.port, at.hostname)
    PeriodicCallback(visits.look_round, LOOK_ROUND_SECONDS * 1000).start()
    signal.signal(signal.SIGTERM, lambda *_: loop.add_callback_from_signal(loop.stop))
    loop.start()
    visits.close()
