import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import nbformat
import pytest

import workbench
from workbench.artifact.keys import KeyRing
from workbench.artifact.trust import ADMITTERS
from workbench.demo.cast import PASSPHRASE
from workbench.governance.charter import Project, Projects
from workbench.governance.one_time_codes import RECOVERY_CODES, RECOVERY_SIZE, recovery_codes
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.lab import quota, run_folder
from workbench.lab.probe import why_not_available
from workbench.lab.sandbox import OWNERS, launch_command
from workbench.lab.session import Session
from workbench.lab.workspace import Workspace
from workbench.state import State


@pytest.fixture
def home(tmp_path):
    made = Home.create(tmp_path / "home", seed=1)
    yield made
    quota.clear_leftovers(made.workspaces)  # of rooms that a test killed


@pytest.fixture
def state(home):
    state = State.open(home)
    yield state
    state.close()


@pytest.fixture
def dataset(tmp_path):
    """A folder as the catalogue keeps it, closed to other users."""
    folder = tmp_path / "store" / "0123"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "train.csv").write_text("grade,poverty\n6-11,no\n")
    return folder


CHARTER = {
    "schema": "workbench-project/1",
    "purpose": "attendance",
    "title": {"ja": "登校", "en": "attendance"},
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


@pytest.fixture
def charter():
    """A project with this purpose."""
    return lambda purpose: Project.from_json({**CHARTER, "purpose": purpose})


@pytest.fixture
def office(home, state, charter):
    """A home with its people, the keys of its roles and one project."""
    people = People(state)
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    people.add(Person("sato", "Sato", Role.COORDINATOR, "section"), actor="oka")
    people.add(Person("mori", "Mori", Role.ANALYST, "section"), actor="oka")
    for owner in ADMITTERS:
        KeyRing.of(home).ensure(owner)
    Projects(state).store(charter("attendance"), actor="sato")
    return home


# The machine does not change between tests; what it can do is tried once, and again in test_unprotected.
probed_once = functools.cache(why_not_available)


@pytest.fixture
def open_session(home, state, dataset, monkeypatch):
    """Opens sessions that close with the test."""
    monkeypatch.setattr("workbench.lab.session.why_not_available", probed_once)
    opened = []

    def open_one(**changes):
        given = {
            "analyst": "analyst-1",
            "project": "early-support",
            "datasets": {"child-year-1.0.0": dataset},
            "trusted": b'{"keys": {}}',
            "verbs": {"echo": lambda _, request: request.get("say")},
        }
        noticed = changes.pop("noticed", True)
        session = Session(home, state, **(given | changes))
        opened.append(session)
        if noticed:
            session.acknowledge(how="command")
        return session

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def session(open_session):
    return open_session()


@pytest.fixture
def in_sandbox(session):
    """Runs Python in the session's sandbox, without a kernel, and returns what it printed."""

    def run(code, *, check=True):
        folder = run_folder.make()
        command = launch_command(session.sandbox(), ["python", "-c", textwrap.dedent(code)], folder=folder)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        run_folder.remove(folder)
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout.strip() if check else ended

    return run


@pytest.fixture
def notebook():
    """A notebook with these code cells, as bytes."""

    def make(*sources):
        cells = [nbformat.v4.new_code_cell(textwrap.dedent(source)) for source in sources]
        return nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()

    return make


@pytest.fixture
def texts():
    """What the cells of an executed notebook printed, one text per cell."""

    def of(notebook):
        return ["".join(output.get("text", "") for output in cell.outputs).strip() for cell in notebook.cells]

    return of


# A server as `workbench lab start` runs it, with a session that needs no catalogue. It announces its address
# and a start link.
SERVER = """
import sys
from pathlib import Path
from workbench.demo.cast import ensure_account
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.lab.limits import MB, Limits
from workbench.lab.reception import Reception
from workbench.lab.server import start
from workbench.lab.session import Session
from workbench.state import State

home = Home.open(Path(sys.argv[1]))
state = State.open(home)
people = People(state)
people.add(Person("oka", "Oka", Role.MANAGER, "section"))
for id_, role in (("analyst-1", Role.ANALYST), ("analyst-2", Role.ANALYST), ("sato", Role.COORDINATOR)):
    people.add(Person(id_, id_, role, "section"), actor="oka")
    ensure_account(home, state, id_)
given = {"analyst": "analyst-1", "project": "p", "datasets": {}, "trusted": b"{}", "verbs": {}}
limits = Limits(memory=1024 * MB, disk=64 * MB, kernels=100)  # tests leave theirs
reception = Reception(
    home, state, person="analyst-1", open_room=lambda: Session(home, state, limits=limits, **given)
)
start(reception, port=int(sys.argv[2]), announce=lambda at: print(at, reception.link(), flush=True))
"""


class Lab:
    """A running server as a browser meets it: an address, cookies, and the page's proof on every change."""

    def __init__(self, home, address, *, workspace=None):
        self.home = home
        self.base = address
        self.cookies = {}
        self.codes = []
        self.workspace = workspace or Workspace.of(home, analyst="analyst-1")

    def ask(self, path, *, method="GET", body=None, headers=None, form=None, cookies=None):
        """Status, headers and content of one request, with the cookies there are unless others are given."""
        sent = self.cookies if cookies is None else cookies
        given = {
            "Content-Type": "application/json",
            "Cookie": "; ".join(f"{name}={value}" for name, value in sent.items()),
            "X-XSRFToken": sent.get("_xsrf", ""),
        }
        content = None if body is None else json.dumps(body)
        if form is not None:
            given["Content-Type"] = "application/x-www-form-urlencoded"
            content = urlencode(form)
        connection = HTTPConnection(self.base.removeprefix("http://"), timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, content, given | (headers or {}))
            response = connection.getresponse()
            if cookies is None:
                for line in response.headers.get_all("Set-Cookie") or []:
                    name, _, value = line.partition(";")[0].partition("=")
                    self.cookies[name] = value.strip('"')
            return response.status, response.headers, response.read()

    def status(self, path, **given):
        return self.ask(path, **given)[0]

    def follow(self, link):
        """Enter with a start link, and fetch the page once for its proof."""
        self.link = link
        assert self.status(f"/start?link={link}") == 302
        assert self.status("/lab") == 200
        return self.acknowledge()

    def acknowledge(self):
        """Read the notice, as the page has it acknowledged: no kernel starts before."""
        assert self.status("/workbench/notice", method="POST", body={}) == 200
        return self

    def log_in(self, name, words, code):
        """The answer to the log-in page's form."""
        self.ask("/login")
        form = {"_xsrf": self.cookies["_xsrf"], "name": name, "passphrase": words, "code": code}
        return self.ask("/login", method="POST", form=form)

    def stranger(self):
        """The same server as somebody meets it who has no cookies."""
        return type(self)(self.home, self.base, workspace=self.workspace)

    def enter(self, *, noticed=True):
        """Log in with the passphrase and the next recovery code of the demonstration, and read the notice."""
        size = RECOVERY_CODES * RECOVERY_SIZE
        self.codes = self.codes or recovery_codes(
            lambda _: self.home.entropy("recovery analyst-1 1", size=size)
        )
        status = self.log_in("analyst-1", PASSPHRASE, self.codes.pop())[0]
        self.ask("/lab")
        if status == 302 and noticed:
            self.acknowledge()
        return status == 302

    def leave(self):
        """Log out as the log-out page does it."""
        self.ask("/logout", method="POST", form={"_xsrf": self.cookies["_xsrf"]})

    @property
    def header(self):
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}


@contextlib.contextmanager
def served(folder, *, port, environment=None):
    """A running server and its client, logged in; it stops in the end, whatever was tried in between."""
    home = Home.create(folder / "home", seed=1)
    command = [sys.executable, "-c", SERVER, str(home.path), str(port)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env={**os.environ, **(environment or {})},
    ) as server:
        address, link = next(line.split() for line in server.stdout if line.startswith("http"))
        try:
            yield Lab(home, address).follow(link)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)


@pytest.fixture(scope="session")
def serve():
    """`serve(folder, port=...)`: a running server, as a context manager."""
    return served


def plant(folder):
    """A kernelspec that the analyst wrote, and a file that is none of theirs; beside the server's home."""
    spec = folder / "jupyter" / "kernels" / "mine"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Mine", "language": "python"})
    )
    (folder / "outside").mkdir()
    (folder / "outside" / "raw.txt").write_text("raw data of a child")
    return folder


@pytest.fixture(scope="session")
def planted():
    return plant


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """One server for all tests that leave it as they found it, with `outside`, a folder it must not open."""
    folder = plant(tmp_path_factory.mktemp("served"))
    with served(folder, port=18888, environment={"JUPYTER_PATH": str(folder / "jupyter")}) as lab:
        lab.outside = folder / "outside"
        yield lab


@pytest.fixture
def ordinary_python():
    """An interpreter that an ordinary user can read, and how a process is started as that user."""
    if os.geteuid() != 0:
        yield sys.executable, {}
        return
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = shutil.which(name, path="/usr/bin:/usr/local/bin")
    packages, code = sysconfig.get_path("purelib"), Path(workbench.__file__).parents[1]
    who = {"user": OWNERS[2], "group": OWNERS[2]}

    def readable(path):
        return subprocess.run(["test", "-r", path, "-a", "-x", path], **who).returncode == 0

    if python is None or not all(readable(path) for path in (packages, code)):
        pytest.skip("no interpreter here that an ordinary user can read")
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o755)
    (place / "bin").mkdir()
    (place / "bin" / "python").symlink_to(python)
    (place / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
    (place / "lib" / Path(python).name).mkdir(parents=True)
    (place / "lib" / Path(python).name / "site-packages").symlink_to(packages)
    (place / "share").symlink_to(Path(sys.prefix) / "share")  # the page's own files
    yield place / "bin" / "python", who
    shutil.rmtree(place)
