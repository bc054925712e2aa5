"""
Which roles may do what: one table, read by every rule that asks.

An action that is not in the table is nobody's. The operator runs the machine and decides nothing; the
auditor reads and changes nothing.
"""

from enum import StrEnum

from workbench.errors import Refused


class Role(StrEnum):
    COORDINATOR = "coordinator"
    REVIEWER = "reviewer"
    ANALYST = "analyst"
    AUDITOR = "auditor"
    MANAGER = "manager"
    OPERATOR = "operator"


ROLE_NAMES: dict[Role, tuple[str, str]] = {
    Role.COORDINATOR: ("総括管理主体", "coordinating body"),
    Role.REVIEWER: ("審査者", "reviewer"),
    Role.ANALYST: ("分析主体", "analyst"),
    Role.AUDITOR: ("監査責任者", "audit officer"),
    Role.MANAGER: ("管理責任者", "responsible manager"),
    Role.OPERATOR: ("運用担当者", "operator"),
}

PERMISSIONS: dict[str, frozenset[Role]] = {
    "register": frozenset({Role.COORDINATOR}),
    "import": frozenset({Role.COORDINATOR}),
    "link": frozenset({Role.COORDINATOR}),
    "prepare": frozenset({Role.COORDINATOR}),
    "submit_dataset": frozenset({Role.COORDINATOR}),
    # Not the coordinator's: no role both hands in a kind of bundle and votes on that kind (`SEATS` of votes).
    "submit_model": frozenset({Role.ANALYST}),
    "vote": frozenset({Role.REVIEWER, Role.COORDINATOR}),
    "read_reports": frozenset({Role.COORDINATOR, Role.REVIEWER, Role.AUDITOR, Role.MANAGER}),
    # Each number says something of the children in the source: fewer read them than read reports.
    "evaluate": frozenset({Role.COORDINATOR}),
    "read_metrics": frozenset({Role.COORDINATOR, Role.REVIEWER}),
    "revoke": frozenset({Role.COORDINATOR, Role.REVIEWER}),
    "export": frozenset({Role.COORDINATOR}),
    # Suspending must be as quick as revoking; whoever may stop a model may also let it run on.
    "activate": frozenset({Role.COORDINATOR, Role.REVIEWER}),
    "send_package": frozenset({Role.COORDINATOR}),
    # Not the coordinator's: whoever asks to send must not be able to agree as the second person.
    "confirm_package": frozenset({Role.REVIEWER, Role.MANAGER}),
    # It decides nothing: the signatures do.
    "import_package": frozenset({Role.MANAGER, Role.OPERATOR}),
    "add_host": frozenset({Role.MANAGER}),
    "score": frozenset({Role.COORDINATOR}),
    "grant_budget": frozenset({Role.COORDINATOR}),
    # Not the analyst's: it tells what others asked for. Their own they see in the lab.
    "read_budget": frozenset({Role.COORDINATOR, Role.REVIEWER, Role.AUDITOR, Role.MANAGER}),
    "open_session": frozenset({Role.ANALYST}),
    "ask": frozenset({Role.ANALYST}),
    "ask_for_data": frozenset({Role.ANALYST}),
    "answer_data_request": frozenset({Role.COORDINATOR}),
    "store_project": frozenset({Role.COORDINATOR, Role.MANAGER}),
    "adopt_policy": frozenset({Role.COORDINATOR, Role.MANAGER}),
    # Not the coordinator's: whoever admits must not be able to make up the second person.
    "add_person": frozenset({Role.MANAGER}),
    "create_key": frozenset({Role.MANAGER}),
    "record_training": frozenset({Role.MANAGER}),
    "keep_account": frozenset({Role.MANAGER}),
    "lock_account": frozenset({Role.MANAGER, Role.COORDINATOR}),
    "export_trust": frozenset({Role.COORDINATOR, Role.MANAGER}),
    # Not the coordinator's: who watches over the amount taken out is who answers for the staff.
    "sign_setting": frozenset({Role.MANAGER}),
    "read_log": frozenset({Role.AUDITOR, Role.COORDINATOR, Role.MANAGER}),
    "set_checkpoint_place": frozenset({Role.MANAGER}),
}


# What a role may ask of a team's hub, in JupyterHub's own words for scopes; what is not here it may not.
# Nobody has `admin`, and nobody may enter another's server.
HUB_SCOPES: dict[Role, tuple[str, ...]] = {
    Role.ANALYST: (
        "read:users!user",
        "servers!user",
        "access:servers!user",
        "users:activity!user",
    ),
    Role.REVIEWER: ("read:users!user", "access:services!service=review"),
    Role.COORDINATOR: ("read:users!user", "access:services!service=review"),
    Role.AUDITOR: ("read:users!user", "list:users", "read:users:activity", "access:services!service=review"),
    Role.MANAGER: (
        "read:users!user",
        "list:users",
        "read:users:activity",
        "read:servers",
        "delete:servers",
        "access:services!service=review",
    ),
    Role.OPERATOR: ("read:users!user", "list:users", "read:users:activity", "read:servers", "delete:servers"),
}


def why_not_role(role: Role, action: str) -> Refused | None:
    """The reason this role may not do `action`, or None when it may."""
    allowed = PERMISSIONS.get(action, frozenset())
    if role in allowed:
        return None
    others = sorted(allowed)
    ja = "、".join(ROLE_NAMES[other][0] for other in others) or "なし"
    en = ", ".join(ROLE_NAMES[other][1] for other in others) or "none"
    return Refused(
        ja=f"「{ROLE_NAMES[role][0]}」の役割ではこの操作（{action}）はできません。できる役割：{ja}。",
        en=f"The role '{ROLE_NAMES[role][1]}' may not do this ({action}); roles that may: {en}.",
    )
