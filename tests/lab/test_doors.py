"""One table says which requests are answered, and to whom."""

import importlib
from types import SimpleNamespace

import pytest
from jupyter_client.session import Session as Messages
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from tornado.web import Application, RequestHandler

from workbench.governance.permissions import Role
from workbench.lab import doors
from workbench.lab.doors import ALLOWED, DOORS, EVERYBODY, Closed, LabAuthorizer, guarded, kind_of

pytestmark = pytest.mark.attack


class Unknown(JupyterHandler):
    """What an extension of tomorrow brings."""

    def get(self) -> None:
        raise AssertionError("an unknown handler ran")


class Foreign(RequestHandler):
    pass


def test_attack_a_handler_that_nobody_knows_is_asked():
    assert guarded(Unknown, method="GET") is Closed


def test_attack_a_method_that_is_not_in_the_table_is_used():
    for name, (methods, _) in DOORS.items():
        found = load(name)
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"} - set(
            methods.split()
        ):
            assert guarded(found, method=method) is Closed, (name, method)


def test_attack_a_handler_takes_the_name_of_one_in_the_table():
    """It would have no log-in to be asked for."""
    Foreign.__module__, Foreign.__qualname__ = "jupyter_server.services.api.handlers", "IdentityHandler"

    assert guarded(Foreign, method="GET") is Closed


def load(name):
    module, _, handler = name.partition(":")
    return getattr(importlib.import_module(module), handler)


@pytest.mark.parametrize("name", DOORS)
def test_every_row_is_a_handler_and_has_somebody(name):
    found, (methods, roles) = load(name), DOORS[name]

    assert issubclass(found, JupyterHandler) or roles is EVERYBODY
    assert methods
    assert roles is EVERYBODY or roles
    for method in methods.split():
        assert issubclass(guarded(found, method=method), found)


def test_before_a_log_in_there_are_the_ways_in_and_nothing_else():
    open_ones = {name.rpartition(":")[2] for name, (_, roles) in DOORS.items() if roles is EVERYBODY}

    assert open_ones <= {
        "LoginPage",
        "LogoutPage",
        "StartLink",
        "RedirectWithParams",
        "HubCallback",
        "HubLogout",
    }


def test_behind_a_log_in_there_are_analysts_only():
    assert {roles for _, roles in DOORS.values()} == {EVERYBODY, frozenset({Role.ANALYST})}


def test_attack_a_handler_is_added_after_the_table_was_put_before_them():
    application = Application()
    doors.close_all_but_the_table(application)
    application.add_handlers(".*", [("/late", Unknown)])
    asked = SimpleNamespace(method="GET", connection=None)

    assert application.get_handler_delegate(asked, Unknown).handler_class is Closed


@pytest.mark.parametrize("resource", ["terminals", "nbconvert", "server", "lsp", "mcp", ""])
def test_the_authoriser_behind_the_table_denies_by_default(resource):
    authorizer = LabAuthorizer()
    for action in ("read", "write", "execute"):
        assert not authorizer.is_authorized(None, None, action, resource)


@pytest.mark.parametrize(
    ("resource", "action"), [("kernelspecs", "write"), ("config", "write"), ("events", "write")]
)
def test_the_authoriser_denies_changes_of_the_server(resource, action):
    assert action not in ALLOWED[resource]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"x",
        "text",
        b"\xff" * 40,
        b"\x02" + bytes(23),
        (1 << 62).to_bytes(8, "little"),
        (1 << 62).to_bytes(8, "little") + bytes(4096),
        (6).to_bytes(8, "little") + b"\xff" * 48,
        (6).to_bytes(8, "little") + bytes(48) + b"[" * 5000,
    ],
)
def test_attack_a_message_that_is_none_stops_the_server(message):
    """Eight bytes that promise 2^62 parts were enough."""
    assert kind_of(message) is None


def test_a_message_has_its_kind():
    messages = Messages()
    sent = serialize_msg_to_ws_v1(messages.msg("execute_request", {"code": "1"}), "shell", messages.pack)

    assert kind_of(b"".join(sent) if isinstance(sent, list) else bytes(sent)) == "execute_request"
