"""
Every kind of event the workbench records, and what each must say.

Details are names, digests, counts and costs; never a value of source data.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Event(StrEnum):
    HOME_CREATED = "home.created"
    PERSON_ADDED = "person.added"
    TRAINING_RECORDED = "training.recorded"
    UNDERTAKING_GIVEN = "undertaking.given"
    KEY_CREATED = "key.created"
    TRUST_EXPORTED = "trust.exported"
    PROJECT_STORED = "project.stored"
    POLICY_OVERRIDDEN = "policy.overridden"
    SETTING_SIGNED = "setting.signed"
    SETTING_OVERDUE = "setting.overdue"
    REGISTER_STORED = "register.stored"
    EXTRACT_IMPORTED = "extract.imported"
    EXTRACT_REFUSED = "extract.refused"
    TABLES_LINKED = "tables.linked"
    REQUEST_SUBMITTED = "request.submitted"
    REQUEST_CHECKED = "request.checked"
    REQUEST_REFUSED = "request.refused"
    REQUEST_VOTED = "request.voted"
    REPORT_READ = "report.read"
    VOTE_REFUSED = "request.vote_refused"
    REQUEST_ADMITTED = "request.admitted"
    REQUEST_REJECTED = "request.rejected"
    REQUEST_RETURNED = "request.returned"
    REQUEST_WITHDRAWN = "request.withdrawn"
    BUNDLE_SIGNED = "bundle.signed"
    BUNDLE_ADMITTED = "bundle.admitted"
    BUNDLE_REVOKED = "bundle.revoked"
    BUNDLE_EXPORTED = "bundle.exported"
    MODEL_ACTIVATED = "model.activated"
    MODEL_SUSPENDED = "model.suspended"
    MODEL_ROLLED_BACK = "model.rolled_back"
    HOST_ADDED = "host.added"
    HOST_REMOVED = "host.removed"
    PACKAGE_ASKED = "package.asked"
    PACKAGE_WRITTEN = "package.written"
    PACKAGE_RECEIVED = "package.received"
    ACCOUNT_ADDED = "account.added"
    ACCOUNT_RESET = "account.reset"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_LOCKED = "account.locked"
    ACCOUNT_UNLOCKED = "account.unlocked"
    ACCOUNT_LINKED = "account.linked"
    LOGGED_IN = "login.opened"
    LOGGED_OUT = "login.closed"
    LOGIN_FAILED = "login.failed"
    GATEWAY_OPENED = "gateway.opened"
    GATEWAY_CLOSED = "gateway.closed"
    GATEWAY_FAILED = "gateway.failed"
    GATEWAY_ADMITTED = "gateway.admitted"
    GATEWAY_REMOVED = "gateway.removed"
    GATEWAY_PINNED = "gateway.pinned"
    GATEWAY_REFUSED = "gateway.refused"
    HUB_STARTED = "hub.started"
    KERNEL_STARTED = "kernel.started"
    KERNEL_STOPPED = "kernel.stopped"
    KERNEL_REFUSED = "kernel.refused"
    CELL_EXECUTED = "cell.executed"
    CODE_LOOKED_AT = "code.looked_at"
    OUTPUT_SENT = "output.sent"
    FILE_SHOWN = "file.shown"
    FILE_SAVED = "file.saved"
    FILE_NAMED = "file.named"
    OUTPUT_METERED = "output.metered"
    OUTPUT_WARNED = "output.warned"
    OUTPUT_STOPPED = "output.stopped"
    DATASET_OPENED = "dataset.opened"
    BUDGET_GRANTED = "budget.granted"
    BUDGET_SHARED = "budget.shared"
    BUDGET_WARNED = "budget.warned"
    QUESTION_RESERVED = "question.reserved"
    QUESTION_SETTLED = "question.settled"
    QUESTION_KEPT = "question.kept"
    MODEL_TRAINED = "model.trained"
    EVALUATION_COUNTED = "evaluation.counted"
    METRICS_READ = "metrics.read"
    CANDIDATE_SUBMITTED = "candidate.submitted"
    DATA_REQUESTED = "data.requested"
    DATA_REQUEST_MOVED = "data.request_moved"
    NOTICE_ACKNOWLEDGED = "notice.acknowledged"
    BATCH_SCORED = "batch.scored"
    BATCH_REFUSED = "batch.refused"
    NOTEBOOK_EXPORTED = "notebook.exported"
    AUDIT_OPENED = "audit.opened"
    AUDIT_CLOSED = "audit.closed"
    AUDIT_READ = "audit.read"
    AUDIT_CHECKPOINTED = "audit.checkpointed"
    AUDIT_NOT_KEPT = "audit.not_kept"
    AUDIT_TORN = "audit.torn"
    AUDIT_PLACE_SET = "audit.place_set"


def keys(names: str) -> frozenset[str]:
    return frozenset(names.split())


# What the details of an event must hold; they may hold more.
SCHEMA: dict[Event, frozenset[str]] = {
    Event.HOME_CREATED: keys("identity demonstration"),
    Event.PERSON_ADDED: keys("person role section"),
    Event.TRAINING_RECORDED: keys("person kind valid_until envelope"),
    Event.UNDERTAKING_GIVEN: keys("person kind valid_until envelope"),
    Event.KEY_CREATED: keys("owner public"),
    Event.TRUST_EXPORTED: keys("owners sha256"),
    Event.PROJECT_STORED: keys("project digest"),
    Event.POLICY_OVERRIDDEN: keys("profile policy overrides"),
    Event.SETTING_SIGNED: keys("name version value review_by digest"),
    # `to` are the people it is for: the responsible managers.
    Event.SETTING_OVERDUE: keys("name version review_by to"),
    Event.REGISTER_STORED: keys("digest tables items"),
    Event.EXTRACT_IMPORTED: keys("table rows columns sha256"),
    Event.EXTRACT_REFUSED: keys("table rule"),
    Event.TABLES_LINKED: keys("table rows persons"),
    Event.REQUEST_SUBMITTED: keys("request kind name version"),
    Event.REQUEST_CHECKED: keys("request report policy verdict"),
    Event.REQUEST_REFUSED: keys("request report checks"),
    Event.REQUEST_VOTED: keys("request person vote report"),
    Event.REPORT_READ: keys("request report"),
    Event.VOTE_REFUSED: keys("request person family"),
    Event.REQUEST_ADMITTED: keys("request manifest report votes"),
    Event.REQUEST_REJECTED: keys("request report"),
    Event.REQUEST_RETURNED: keys("request report"),
    Event.REQUEST_WITHDRAWN: keys("request"),
    Event.BUNDLE_SIGNED: keys("request manifest owners"),
    Event.BUNDLE_ADMITTED: keys("request manifest name version"),
    Event.BUNDLE_REVOKED: keys("manifest reason sequence"),
    Event.BUNDLE_EXPORTED: keys("manifest name version"),
    # `after` is the digest of the event that the signed act (`envelope`) follows.
    Event.MODEL_ACTIVATED: keys("manifest name version reason after envelope"),
    Event.MODEL_SUSPENDED: keys("manifest name version reason after envelope"),
    Event.MODEL_ROLLED_BACK: keys("manifest name version reason after envelope"),
    Event.HOST_ADDED: keys("host key portable"),
    Event.HOST_REMOVED: keys("host"),
    Event.PACKAGE_ASKED: keys("package host manifests"),
    Event.PACKAGE_WRITTEN: keys("package host host_key asked_by manifests"),
    Event.PACKAGE_RECEIVED: keys("package home manifests revocations"),
    Event.ACCOUNT_ADDED: keys("person"),
    Event.ACCOUNT_RESET: keys("person"),
    # By its owner, with passphrase and code; `what` names what is new: passphrase, authenticator.
    Event.ACCOUNT_CHANGED: keys("person what"),
    Event.ACCOUNT_LOCKED: keys("person"),
    Event.ACCOUNT_UNLOCKED: keys("person"),
    # `subject` is a digest of the issuer and its name for the person.
    Event.ACCOUNT_LINKED: keys("person issuer subject"),
    # `login` is one log-in, whose cookie or token it is not; how it ended: logged_out, idle, too_long,
    # changed (passphrase or authenticator, by its owner), ended.
    Event.LOGGED_IN: keys("login person method"),
    Event.LOGGED_OUT: keys("login person reason"),
    # A name that nobody has is not written down: people type their passphrase there by mistake.
    Event.LOGIN_FAILED: keys("reason"),
    Event.GATEWAY_OPENED: keys("session analyst project"),
    Event.GATEWAY_CLOSED: keys("session"),
    Event.GATEWAY_FAILED: keys("session verb reference"),
    Event.GATEWAY_ADMITTED: keys("host analyst purpose certificate"),
    Event.GATEWAY_REMOVED: keys("host analyst"),
    Event.GATEWAY_PINNED: keys("certificate address"),
    Event.GATEWAY_REFUSED: keys("address reason"),
    # With TLS also `valid_until`, of its certificate.
    Event.HUB_STARTED: keys("address port tls root"),
    Event.KERNEL_STARTED: keys("session"),
    Event.KERNEL_STOPPED: keys("session"),
    Event.KERNEL_REFUSED: keys("session protection"),
    Event.CELL_EXECUTED: keys("session cell"),
    # Completed or explained by the kernel, and not run.
    Event.CODE_LOOKED_AT: keys("session cell kind sha256 source"),
    Event.OUTPUT_SENT: keys("session cell outputs"),
    Event.FILE_SHOWN: keys("session name size sha256"),
    Event.FILE_SAVED: keys("session name size sha256"),
    Event.FILE_NAMED: keys("session name"),
    Event.OUTPUT_METERED: keys("session person day bytes"),
    Event.OUTPUT_WARNED: keys("session person day bytes threshold to"),
    Event.OUTPUT_STOPPED: keys("session person day bytes threshold to"),
    Event.DATASET_OPENED: keys("session manifest"),
    # Amounts in whole units: ε or ρ in millionths, δ in 10⁻¹⁵. `terms` is the year and its levels.
    Event.BUDGET_GRANTED: keys("grant dataset year micro femto terms"),
    Event.BUDGET_SHARED: keys("dataset year analyst purpose micro femto"),
    Event.BUDGET_WARNED: keys("dataset year spent granted percent to"),
    # `question` is the charge; its text is told by digest. The actor is the analyst, or `release:` and a name.
    Event.QUESTION_RESERVED: keys("question dataset year purpose use loss sha256"),
    Event.QUESTION_SETTLED: keys("question"),
    Event.QUESTION_KEPT: keys("question"),
    # A number about synthetic rows is one about the children they were made from; so each is counted.
    Event.EVALUATION_COUNTED: keys("table year subject kind used allowed repeated"),
    Event.METRICS_READ: keys("request metrics"),
    Event.MODEL_TRAINED: keys("model question guarantee release"),
    Event.CANDIDATE_SUBMITTED: keys("session name version notebook"),
    Event.DATA_REQUESTED: keys("data_request kind"),
    Event.DATA_REQUEST_MOVED: keys("data_request standing"),
    Event.NOTICE_ACKNOWLEDGED: keys("session datasets"),
    Event.BATCH_SCORED: keys("model purpose input output rows flagged"),
    Event.BATCH_REFUSED: keys("model rule"),
    Event.NOTEBOOK_EXPORTED: keys("notebook sha256"),
    Event.AUDIT_OPENED: keys("uid own_uid append_only"),
    Event.AUDIT_CLOSED: keys("uid"),
    Event.AUDIT_READ: keys("what records"),
    Event.AUDIT_CHECKPOINTED: keys("size root"),
    Event.AUDIT_NOT_KEPT: keys("reason"),
    Event.AUDIT_TORN: keys("bytes sha256"),
    Event.AUDIT_PLACE_SET: keys("place"),
}


def missing_details(event: Event, details: Mapping[str, Any]) -> list[str]:
    """The keys that `details` ought to have and does not."""
    return sorted(SCHEMA[event] - details.keys())
