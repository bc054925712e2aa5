"""The permission matrix, row by column: written out here once more, and compared with the table in the code."""

import pytest

from workbench.governance.permissions import HUB_SCOPES, PERMISSIONS, Role, why_not_role
from workbench.release.votes import SEATS

# action: coordinator, reviewer, analyst, auditor, manager, operator
MATRIX = """
register               C . . . . .
import                 C . . . . .
link                   C . . . . .
prepare                C . . . . .
submit_dataset         C . . . . .
submit_model           . . A . . .
vote                   C R . . . .
read_reports           C R . U M .
evaluate               C . . . . .
read_metrics           C R . . . .
revoke                 C R . . . .
export                 C . . . . .
activate               C R . . . .
send_package           C . . . . .
confirm_package        . R . . M .
import_package         . . . . M O
add_host               . . . . M .
score                  C . . . . .
grant_budget           C . . . . .
read_budget            C R . U M .
open_session           . . A . . .
ask                    . . A . . .
ask_for_data           . . A . . .
answer_data_request    C . . . . .
store_project          C . . . M .
adopt_policy           C . . . M .
sign_setting           . . . . M .
add_person             . . . . M .
create_key             . . . . M .
record_training        . . . . M .
keep_account           . . . . M .
lock_account           C . . . M .
export_trust           C . . . M .
read_log               C . . U M .
set_checkpoint_place   . . . . M .
"""
COLUMNS = (Role.COORDINATOR, Role.REVIEWER, Role.ANALYST, Role.AUDITOR, Role.MANAGER, Role.OPERATOR)
CELLS = [
    (row.split()[0], role, mark != ".")
    for row in MATRIX.strip().splitlines()
    for role, mark in zip(COLUMNS, row.split()[1:], strict=True)
]


@pytest.mark.parametrize(("action", "role", "allowed"), CELLS)
def test_each_role_may_do_what_the_matrix_says_and_nothing_else(action, role, allowed):
    assert (why_not_role(role, action) is None) is allowed


def test_the_matrix_has_a_row_for_each_action_and_a_column_for_each_role():
    assert {action for action, _, _ in CELLS} == PERMISSIONS.keys()
    assert {role for _, role, _ in CELLS} == set(Role)


@pytest.mark.parametrize("kind", SEATS)
def test_no_role_both_hands_in_a_kind_of_bundle_and_votes_on_it(kind):
    assert not PERMISSIONS[f"submit_{kind}"] & set(SEATS[kind])
    assert set(SEATS[kind]) <= PERMISSIONS["vote"]


def test_no_role_both_asks_to_send_and_agrees():
    assert not PERMISSIONS["send_package"] & PERMISSIONS["confirm_package"]


def test_nobody_who_adds_people_votes_or_reads_data():
    assert not PERMISSIONS["add_person"] & (
        PERMISSIONS["vote"] | PERMISSIONS["open_session"] | PERMISSIONS["import"]
    )


@pytest.mark.parametrize("role", Role)
def test_each_role_has_its_scopes_of_the_hub_and_nobody_all_of_them(role):
    scopes = HUB_SCOPES[role]

    assert not any(scope.startswith(("admin", "shares", "tokens", "groups", "inherit")) for scope in scopes)
    # Nobody enters another's server; only an analyst has one.
    assert all(scope.endswith("!user") for scope in scopes if scope.startswith("access:servers"))
    assert ("servers!user" in scopes) is (role in PERMISSIONS["open_session"])
    assert "servers" not in scopes
