"""The policy in force: a profile and the overrides a person adopted, kept in the state and in the log."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from workbench.audit import Event
from workbench.governance.people import FOUNDER, People
from workbench.policy import Policy, load, parse_override
from workbench.state import State, metadata

settings = sa.Table(
    "policy_in_force",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("override", sa.Text, nullable=True),
)


def policy_in_force(state: State) -> Policy:
    """The policy that releases of this home are judged by; `standard` until another is adopted."""
    with state.reading() as connection:
        row = connection.execute(sa.select(settings)).one_or_none()
    if row is None:
        return load()
    policy = load(row.profile)
    return policy if row.override is None else parse_override(row.override, policy, name="override")


def otherwise(state: State, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The policy in force, by its profile, where it is not the last that the log's records tell of."""
    # By what a person chose: the digest of a whole policy changes with the version of the workbench.
    told = [
        (record["details"]["profile"], record["details"]["overrides"])
        for record in records
        if record["event"] == Event.POLICY_OVERRIDDEN
    ]
    policy = policy_in_force(state)
    found = policy.profile, {name: threshold.value for name, threshold in policy.overrides.items()}
    return [] if found == (told[-1] if told else (load().profile, {})) else [policy.profile]


def adopt_policy(state: State, *, profile: str, override: str | None = None, actor: str = FOUNDER) -> Policy:
    """Put a profile in force, with the text of an override file; recorded with what it changes."""
    People(state).expect_may(actor, "adopt_policy")
    policy = load(profile)
    if override is not None:
        policy = parse_override(override, policy, name="override")
    with state.transaction() as transaction:
        transaction.connection.execute(settings.delete())
        transaction.connection.execute(settings.insert().values(id=1, profile=profile, override=override))
        transaction.event(
            Event.POLICY_OVERRIDDEN,
            actor=actor,
            profile=profile,
            policy=policy.digest,
            overrides={name: threshold.value for name, threshold in policy.overrides.items()},
        )
    return policy
