"""A real browser, a home with an admitted dataset, and the analyst's JupyterLab in front of it."""

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from workbench.artifact.keys import KeyRing
from workbench.artifact.times import to_text
from workbench.artifact.trust import ADMITTERS
from workbench.governance.accounts import Accounts
from workbench.governance.amounts import WARNING
from workbench.governance.charter import Project, Projects
from workbench.governance.one_time_codes import code_at
from workbench.governance.people import People, Person, Role
from workbench.governance.signed_settings import sign_setting, today
from workbench.home import Home
from workbench.lab.workspace import Workspace
from workbench.policy import load
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import MICRO
from workbench.release import checks, report, staging, votes
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.votes import Vote
from workbench.release.workflow import Workflow
from workbench.state import State

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
# Nothing that a browser does of itself may be taken for something that a page did.
SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # the tests run as root, too
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1400,1000",
)
RUN = 3  # the place of the menu that runs cells: its name has two languages
PATIENCE = 90  # seconds; a loaded machine is slow, not wrong
SAID = Text(ja="確認しました。", en="Measured.")


class Page:
    """A browser with one window, and how a person uses it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def shown(self, selector: str) -> list[WebElement]:
        return [one for one in self.all(selector) if one.is_displayed()]

    def wait(self, question: Callable[[], Any], what: str) -> Any:
        """What `question` answers, once it is something."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with contextlib.suppress(WebDriverException):
                answer = question()
                if answer:
                    return answer
            time.sleep(0.1)
        self.picture(f"failed-{what.replace(chr(32), chr(45))[:40]}")
        raise AssertionError(f"waited in vain for {what}: {self.driver.title}")

    def see(self, selector: str) -> WebElement:
        """The first of these that is on the page."""
        found: list[WebElement] = self.wait(lambda: self.shown(selector), selector)
        return found[0]

    def click(self, selector: str) -> None:
        def clicked() -> bool:
            self.shown(selector)[0].click()
            return True

        self.wait(lambda: self.shown(selector) and clicked(), selector)

    def hover(self, element: WebElement) -> None:
        ActionChains(self.driver).move_to_element(element).perform()

    def context_click(self, element: WebElement) -> None:
        ActionChains(self.driver).context_click(element).perform()

    def press(self, *keys: str) -> None:
        """The keys together, the last one last."""
        chain = ActionChains(self.driver)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def run_all(self) -> None:
        """Run every cell of the open notebook, by the menu, once its kernel is there."""
        self.wait(self.kernel_was_started, "an idle kernel")
        self.gone(".jp-Dialog")
        self.click(".lm-DockPanel-tabBar .lm-mod-current")
        self.all(".lm-MenuBar-item")[RUN].click()
        self.click(".lm-Menu-item[data-command='runmenu:run-all']")

    def kernel_was_started(self) -> bool:
        """No kernel starts before the notice was read, which may be shown at any moment until then."""
        for button in self.shown(".jp-Dialog .jp-mod-accept"):
            button.click()
        return self.kernel_is_idle()

    def kernel_is_idle(self) -> bool:
        """The indicator alone says so before there is a kernel; its name in the toolbar comes with it."""
        named = "(" in self.text(".jp-KernelName, .jp-Toolbar-kernelName")
        return named and bool(self.shown(".jp-Notebook-ExecutionIndicator[data-status=idle]"))

    def gone(self, selector: str) -> None:
        self.wait(lambda: not self.shown(selector), f"{selector} to go")

    def text(self, selector: str) -> str:
        return "\n".join(one.text for one in self.shown(selector))

    def status(self, path: str) -> int:
        """What the server answers to the page when it asks for `path`."""
        script = "const done = arguments[1]; fetch(arguments[0]).then(answer => done(answer.status))"
        status: int = self.driver.execute_async_script(script, path)
        return status

    def picture(self, name: str) -> None:
        """A picture for people to look at, where WORKBENCH_PICTURES says."""
        place = os.environ.get("WORKBENCH_PICTURES")
        if place:
            self.driver.save_screenshot(str(Path(place) / f"{name}.png"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Callable[..., Page]]:
    """Starts browsers, each with a profile of its own, that end with the tests."""
    missing = [path for path in (CHROMIUM, DRIVER) if not Path(path).exists()]
    if missing:
        pytest.fail(
            f"{missing} is not there: run tools/debian-packages chromium:chromium chromium-driver:chromedriver"
        )
    with contextlib.ExitStack() as opened:

        def start(language: str = "ja") -> Page:
            options = webdriver.ChromeOptions()
            options.binary_location = CHROMIUM
            for switch in SWITCHES:
                options.add_argument(switch)
            options.add_experimental_option("prefs", {"intl.accept_languages": language})
            options.unhandled_prompt_behavior = "accept"
            driver = webdriver.Chrome(options=options, service=Service(DRIVER))
            opened.callback(driver.quit)
            return Page(driver)

        yield start


@dataclass
class Lab:
    """A running server: its home, its address, and the analyst's authenticator and files."""

    home: Home
    address: str
    secret: bytes
    place: Path  # where it was started, and must leave nothing
    passphrase: str
    recovery: list[str]

    @property
    def code(self) -> str:
        """What the analyst's authenticator shows now."""
        return code_at(self.secret, time.time())

    @property
    def workspace(self) -> Workspace:
        return Workspace.of(self.home, analyst="mori")

    def enter(self, page: Page) -> None:
        """Log in as a person does, with passphrase and code."""
        page.open(f"{self.address}/login")
        for field, words in (("name", "mori"), ("passphrase", PASSPHRASE), ("code", self.code)):
            page.see(f"input[name={field}]").send_keys(words)
        page.click("button[type=submit]")

    def events(self) -> list[dict[str, Any]]:
        state = State.open(self.home)
        records = state.log.records()
        state.close()
        return records

    def write(self, name: str, *cells: tuple[str, str]) -> None:
        """A notebook in the workspace, of code and markdown cells."""
        self.workspace.write(name, json.dumps(notebook(*cells)).encode())


def notebook(*cells: tuple[str, str]) -> dict[str, Any]:
    """Cells by kind and source; of kind `stored`, the source is HTML that the file says was the output."""

    def cell(number: int, kind: str, source: str) -> dict[str, Any]:
        made = {"cell_type": kind, "id": f"c{number}", "metadata": {}, "source": source}
        if kind == "markdown":
            return made
        made |= {"outputs": [], "execution_count": None}
        if kind == "stored":
            output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": source}}
            made |= {"cell_type": "code", "source": "", "metadata": {"trusted": True}, "outputs": [output]}
        return made

    return {
        "cells": [cell(number, *given) for number, given in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Workbench (Python)", "language": "python", "name": "workbench"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with its people, a project, a budget and one admitted dataset; each lab works on a copy."""
    folder = tmp_path_factory.mktemp("furnished")
    home = Home.create(folder / "home", seed=1)
    state = State.open(home)
    ring, people = KeyRing.of(home), People(state)
    for owner in ADMITTERS:
        ring.ensure(owner)
    for person, role in STAFF.items():
        key = ring.create(f"person:{person}")
        people.add(
            Person(person, person.title(), role, "こども政策課", key),
            actor="oka" if people.all() else "workbench",
        )
    Projects(state).store(Project.from_json(CHARTER), actor="sato")
    Ledger(state).grant("child-year-raw", micro=2 * MICRO, granted_by="sato")
    admit(home, state, folder / "draft")
    sign_setting(
        home,
        state,
        WARNING,
        value=WARN_AT,
        review_by=today() + timedelta(days=30),
        actor="oka",
        reason="試行",
    )
    enrolment = Accounts(home, state).add("mori", PASSPHRASE, actor="oka")
    (folder / "authenticator").write_text(enrolment.address)
    (folder / "recovery").write_text("\n".join(enrolment.recovery_codes))
    state.close()
    return home.path


PASSPHRASE = "青い鳥が 7 羽 窓辺に来た朝"
WARN_AT = 100_000  # bytes
STAFF = {
    "oka": Role.MANAGER,
    "sato": Role.COORDINATOR,
    "tanaka": Role.REVIEWER,
    "ito": Role.REVIEWER,
    "mori": Role.ANALYST,
}
CHARTER = {
    "schema": "workbench-project/1",
    "purpose": "attendance",
    "title": {"ja": "登校の支援の早期の気付き", "en": "Noticing early who needs help with attendance"},
    "benefit": {"ja": "早い支援", "en": "earlier help"},
    "population": 4000,
    "source": "child_year",
    "person": "child_id",
    "household": "household_id",
    "time": "fy",
    "test_share": 0.4,
    "targets": ["absent_30d"],
    "subgroups": [],
}
ITEMS = {
    "grade": {"label": {"ja": "学年", "en": "Grade"}, "kind": "category", "role": "quasi_identifier"},
    "poverty": {"label": {"ja": "生活困窮", "en": "Poverty"}, "kind": "flag", "role": "sensitive"},
}


def secret_of(authenticator: Path) -> bytes:
    """What an authenticator application keeps, from the address it read."""
    address = urlsplit(authenticator.read_text())
    text = parse_qs(address.query)["secret"][0]
    return base64.b32decode(text + "=" * (-len(text) % 8))


def admit(home: Home, state: State, folder: Path) -> None:
    """Admit `child-year@1`, whose report says k = 7; what it holds is two lines."""
    workflow, request = submit(home, state, folder, version="1")
    for person in ("tanaka", "ito"):
        cast = {
            "home": home.identity,
            "request": request,
            "report": workflow.find(request).report,
            "person": person,
            "signer": KeyRing.of(home).signer(f"person:{person}"),
            "cast_at": to_text(datetime.now(UTC)),
        }
        workflow.vote(request, person=person, envelope=votes.cast(Vote.ADMIT, **cast))
    workflow.admit(request)


def submit(home: Home, state: State, folder: Path, *, version: str) -> tuple[Workflow, str]:
    """A request for `child-year` with its report, in review; its number."""
    for path, text in (
        ("data/rows.csv", "grade,poverty\n6-11,no\n"),
        ("dictionary.json", json.dumps({"items": ITEMS})),
    ):
        (folder / "bundle" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "bundle" / path).write_text(text)
    (folder / "evidence").mkdir()
    workflow = Workflow(home, state, load(), examine=examine, again=lambda *_, **__: None)
    said = {"name": "child-year", "version": version, "purpose": "attendance", "why": "試行"}
    request = workflow.submit(
        "dataset",
        bundle=folder / "bundle",
        evidence=folder / "evidence",
        author="sato",
        protection="anonymised",
        **said,
    ).id
    workflow.report(request)
    return workflow, request


@pytest.fixture
def in_review(tmp_path: Path) -> Callable[[Home], "Reviewer"]:
    """Prepares a home: a request waits, and Tanaka has an account and a key of her own."""

    def prepare(home: Home) -> "Reviewer":
        state = State.open(home)
        _, request = submit(home, state, tmp_path / "second", version="2")
        KeyRing.of(home).protect("person:tanaka", KEY_WORDS)
        enrolment = Accounts(home, state).add("tanaka", PASSPHRASE, actor="oka")
        state.close()
        return Reviewer(request, PASSPHRASE, KEY_WORDS, list(enrolment.recovery_codes))

    return prepare


@dataclass
class Reviewer:
    """What Tanaka knows, and the request that waits for her."""

    request: str
    passphrase: str
    key_words: str
    recovery: list[str]


KEY_WORDS = "署名鍵 のための 合言葉 です"


def examine(request: Any, *, home: Home, state: State, policy: Any, now: datetime) -> dict[str, Any]:
    """A report of one finding: the smallest class."""
    finding = Finding(Verdict.PASS, SAID, numbers={"k_children": 7}, limits={"k_children": 5})
    return report.build(
        {"k_children": (checks.CHECKS["anonymised"]["k_children"], finding)},
        head={
            **{name: getattr(request, name) for name in ("kind", "protection", "name", "version", "purpose")},
            "title": CHARTER["title"],
            "author": request.author,
            "why": request.why,
        },
        policy=policy,
        provenance={"content": staging.content_digest(request.bundle(home))},
        notice=SAID,
        sections={},
    )


SERVER = """
import sys
from pathlib import Path
from workbench.home import Home
from workbench.lab.opening import open_session
from workbench.lab.reception import Reception
from workbench.lab.server import start
from workbench.state import State

home = Home.open(Path(sys.argv[1]))
state = State.open(home)
room = lambda: open_session(home, state, analyst="mori", project="attendance")
reception = Reception(home, state, person="mori", open_room=room)
start(reception, port=int(sys.argv[2]), announce=lambda address: print(address, flush=True))
"""


@pytest.fixture(scope="session")
def open_lab(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Lab]]:
    """Starts labs, each on a home of its own, in a language."""
    numbers = itertools.count()
    with contextlib.ExitStack() as opened:

        def start(language: str = "ja") -> Lab:
            folder = tmp_path_factory.mktemp(f"lab{next(numbers)}") / "home"
            shutil.copytree(furnished, folder)
            place = folder.with_name("empty")
            place.mkdir()
            secret = secret_of(furnished.parent / "authenticator")
            command = [sys.executable, "-c", SERVER, str(folder), str(free_port())]
            address = opened.enter_context(running(command, env={"WORKBENCH_LANG": language}))
            recovery = (furnished.parent / "recovery").read_text().split()
            return Lab(Home.open(folder), address, secret, place, PASSPHRASE, recovery)

        yield start


HUB = "from workbench.cli import main; main()"


@pytest.fixture
def open_hub(furnished: Path, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Starts a team's hub as its command does, on a home of its own that was prepared, in a language."""
    with contextlib.ExitStack() as opened:

        def start(language: str, *, prepare: Callable[[Home], None] = lambda _: None) -> Lab:
            home = Home.open(shutil.copytree(furnished, tmp_path / "home"))
            prepare(home)
            port = free_port()
            command = [sys.executable, "-c", HUB, "hub", "--port", str(port)]
            env = {"WORKBENCH_HOME": str(home.path), "WORKBENCH_LANG": language}
            (tmp_path / "empty").mkdir()
            address = opened.enter_context(running(command, env=env, cwd=tmp_path / "empty"))
            until = time.monotonic() + PATIENCE
            while not answers(f"{address}/hub/login") and time.monotonic() < until:
                time.sleep(0.5)
            secret = secret_of(furnished.parent / "authenticator")
            recovery = (furnished.parent / "recovery").read_text().split()
            return Lab(home, address, secret, tmp_path / "empty", PASSPHRASE, recovery)

        yield start


def answers(address: str) -> bool:
    with contextlib.suppress(OSError), urlopen(address, timeout=5) as answer:  # noqa: S310 - our own hub
        return bool(answer.status == 200)
    return False


@contextlib.contextmanager
def running(command: list[str], *, env: dict[str, str], cwd: Path | None = None) -> Iterator[str]:
    """A server until the block ends; the address that it prints, with its token."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **env},
        cwd=cwd,
    ) as server:
        assert server.stdout is not None
        said: list[str] = []
        address = None
        for line in server.stdout:
            said.append(line)
            address = re.search(r"http://127\.0\.0\.1:\d+(?:/lab\?token=\S+)?$", line.strip())
            if address is not None:
                break
        assert address is not None, "".join(said)
        # A pipe that nobody reads stops the server when it is full.
        threading.Thread(target=server.stdout.read, daemon=True).start()
        try:
            yield address.group()
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(timeout=60)
            except subprocess.TimeoutExpired:
                server.kill()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


@dataclass
class Stock:
    """JupyterLab as it comes, on a folder of its own: what the attacks are tried on with nothing in the way."""

    folder: Path
    address: str

    def write(self, name: str, *cells: tuple[str, str]) -> None:
        made = notebook(*cells)
        made["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        (self.folder / name).write_text(json.dumps(made))


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    folder = tmp_path_factory.mktemp("stock")
    (folder / "work").mkdir()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={free_port()}"]
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    env = {**own, "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "IPYTHONDIR": str(folder / "ipython")}
    with running(command, env=env, cwd=folder / "work") as address:
        yield Stock(folder / "work", address)
