"""
Who is asking: the log-in page, the log-out page, and the cookie between them.

There is no token. The cookie is a random secret that scripts cannot read and that other sites' pages do not
send; what it stands for is in the reception. Every refusal of a log-in leaves after the same time.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import segno
from jupyter_server.auth import IdentityProvider, User
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, RequestHandler, authenticated
from traitlets import Instance

from workbench.errors import LANGUAGES, Usage, WorkbenchError, language
from workbench.governance.permissions import Role
from workbench.lab.reception import Reception, Visit

if TYPE_CHECKING:
    from workbench.lab.session import Session

# A refusal leaves this many seconds after it was asked for, or when its work is done if that takes longer.
REFUSED_AFTER = 2.0
# These pages are forms and nothing else.
FORM_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


class Visitor(User):
    """The user that Jupyter knows, with the role that the doors ask for."""

    role: Role | None = None
    visit: Visit | None = None


class LabIdentity(IdentityProvider):
    """Whoever's cookie stands for a visit is that visitor."""

    reception: Reception = Instance(Reception, allow_none=True)  # type: ignore[assignment]
    token = ""
    begin_again = "login"  # where a visitor logs in once more

    @property
    def room(self) -> "Session | None":
        return self.reception.room

    def get_user(self, handler: RequestHandler) -> User | None:
        visit = self.reception.visit(handler.get_cookie(self.get_cookie_name(handler)))
        if visit is None:
            return None
        visitor = Visitor(username=visit.person.id, name=visit.person.name, display_name=visit.person.name)
        visitor.role, visitor.visit = visit.person.role, visit
        return visitor

    def is_token_authenticated(self, handler: RequestHandler) -> bool:
        """Never: every change is asked for with the page's own proof (XSRF)."""
        return False

    def get_handlers(self) -> list[tuple[str, object]]:
        return [
            (r"/login", LoginPage),
            (r"/logout", LogoutPage),
            (r"/start", StartLink),
            (r"/account", AccountPage),
        ]

    def get_cookie_name(self, handler: RequestHandler) -> str:
        # Browsers send cookies to every port of a host: two labs on one machine must not mix theirs up.
        return f"workbench-{handler.request.host.rpartition(':')[2]}"

    def admit(self, handler: JupyterHandler, secret: str) -> None:
        """Let the browser keep the secret of a visit."""
        handler.set_cookie(
            self.get_cookie_name(handler),
            secret,
            path=handler.base_url,
            httponly=True,
            samesite="Strict",
            secure=handler.request.protocol == "https",
        )

    def validate_security(self, app: Any, ssl_options: Any = None) -> None:
        """There is nothing to warn of: without a log-in nothing answers."""


class Page(JupyterHandler):
    """A page of ours, in the reader's language."""

    identity_provider: LabIdentity

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Security-Policy", FORM_POLICY)
        self.set_header("Cache-Control", "no-store")
        # Stricter, and browsers would send the form from nowhere ("null"), which Jupyter refuses.
        self.set_header("Referrer-Policy", "same-origin")

    @property
    def reception(self) -> Reception:
        return self.identity_provider.reception

    @property
    def tongue(self) -> str:
        """The language that was chosen on the page, else the browser's, else the command's."""
        wanted = [
            self.get_query_argument("lang", ""),
            *self.request.headers.get("Accept-Language", "").split(","),
        ]
        known = (tag.strip()[:2].lower() for tag in wanted)
        return next((tag for tag in known if tag in LANGUAGES), language())

    def show(self, template: str, **given: Any) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        named = {"lang": self.tongue, "xsrf": self.xsrf_token.decode(), "base_url": self.base_url}
        self.finish(pages.get_template(template).render(**named, **given))


class LoginPage(Page):
    """Name, passphrase and code."""

    @allow_unauthenticated
    def get(self) -> None:
        if self.current_user is not None:
            self.redirect(self.home)
            return
        self.ask()

    @allow_unauthenticated
    async def post(self) -> None:
        began = time.monotonic()
        name, words, code = (
            self.get_body_argument(field, "", strip=False) for field in ("name", "passphrase", "code")
        )
        try:
            secret = await self.reception.log_in(name, words, code)
        except WorkbenchError as refused:
            await asyncio.sleep(max(0.0, began + REFUSED_AFTER - time.monotonic()))
            self.set_status(403)
            self.ask(refused=refused)
            return
        self.identity_provider.admit(self, secret)
        self.redirect(self.home)

    def ask(self, refused: WorkbenchError | None = None) -> None:
        said = {"ja": refused.ja, "en": refused.en}[self.tongue] if refused else None
        self.show("login.html.j2", refused=said, demonstration=self.reception.home.is_demonstration)

    @property
    def home(self) -> str:
        """Always the same place: an address in the request would lead wherever its writer wants."""
        return f"{self.base_url}lab"


class LogoutPage(Page):
    """Asks before the kernels end: a picture in a notebook could point here."""

    @allow_unauthenticated
    def get(self) -> None:
        self.show("logout.html.j2", here=self.current_user is not None)

    @allow_unauthenticated
    async def post(self) -> None:
        visit = getattr(self.current_user, "visit", None)
        if visit is not None:
            await self.reception.log_out(visit)
        self.clear_cookie(self.identity_provider.get_cookie_name(self), path=self.base_url)
        self.show("logout.html.j2", here=False)


class AccountPage(Page):
    """The visitor's own passphrase and authenticator: changed with both, after which they log in again."""

    @authenticated
    def get(self) -> None:
        self.ask()

    @authenticated
    async def post(self) -> None:
        began = time.monotonic()
        words, code, new, again = (
            self.get_body_argument(field, "", strip=False) for field in ("passphrase", "code", "new", "again")
        )
        anew = self.get_body_argument("authenticator", "") == "new"
        try:
            if new != again:
                raise not_typed_alike()
            made = await self.reception.change(
                self.current_user.visit, words, code, new_words=new or None, new_authenticator=anew
            )
        except WorkbenchError as refused:
            await asyncio.sleep(max(0.0, began + REFUSED_AFTER - time.monotonic()))
            self.set_status(403)
            self.ask(refused=refused)
            return
        picture = segno.make(made.address, error="l", micro=False).svg_data_uri(scale=4) if made else None
        self.tell(done=True, made=made, picture=picture)

    def ask(self, refused: WorkbenchError | None = None) -> None:
        said = {"ja": refused.ja, "en": refused.en}[self.tongue] if refused else None
        has = self.reception.accounts.has(self.reception.person)
        self.tell(refused=said, has=has)

    def tell(self, **given: Any) -> None:
        nothing = {"done": False, "made": None, "picture": None, "refused": None, "has": True}
        self.show("account.html.j2", **nothing | given, begin_again=self.identity_provider.begin_again)


def not_typed_alike() -> Usage:
    return Usage(
        ja="新しい合言葉が2回で違います。同じものを2回入れてください。",
        en="The new passphrase was typed in two ways; type the same one twice.",
    )


class StartLink(Page):
    """A demonstration's way in, good once."""

    @allow_unauthenticated
    async def get(self) -> None:
        try:
            secret = await self.reception.follow(self.get_query_argument("link", ""))
        except WorkbenchError:
            if self.current_user is None:
                raise HTTPError(403) from None
        else:
            self.identity_provider.admit(self, secret)
        self.redirect(f"{self.base_url}lab")
