"""A bundle is used only when both roles signed exactly it, here, for now, and nobody took it back."""

import base64
import json
from datetime import timedelta

import pytest
import rfc8785

from workbench.artifact import envelope as envelopes
from workbench.artifact.manifest import ENVELOPE, MANIFEST
from workbench.artifact.revocations import Revocations, verify_revocations
from workbench.artifact.signing import sign
from workbench.artifact.verifying import ADMITTERS, Trusted, verify_statement
from workbench.errors import NotFound, Untrusted
from workbench.home import Home

COORDINATOR, REVIEWER = ADMITTERS


def rewrite_envelope(bundle, change) -> None:
    value = json.loads((bundle.folder / ENVELOPE).read_bytes())
    change(value)
    (bundle.folder / ENVELOPE).write_bytes(rfc8785.dumps(value))


def test_a_bundle_both_roles_signed_is_admitted(bundle):
    admitted = bundle.verify()

    assert admitted.manifest == bundle.manifest
    assert admitted.purpose == "school-attendance"


def test_an_unsigned_bundle_is_refused(bundle):
    (bundle.folder / ENVELOPE).unlink()

    with pytest.raises(Untrusted, match="署名がありません"):
        bundle.verify()


def test_an_envelope_with_its_signatures_removed_is_unsigned(bundle):
    rewrite_envelope(bundle, lambda value: value["signatures"].clear())

    with pytest.raises(Untrusted, match="署名がありません"):
        bundle.verify()


def test_one_signature_is_not_two(bundle):
    for owner in ADMITTERS:
        with pytest.raises(Untrusted, match="1 者の署名しか"):
            bundle.signed(owner).verify()


def test_one_signature_twice_counts_once(bundle):
    bundle.signed(COORDINATOR)
    rewrite_envelope(bundle, lambda value: value["signatures"].append(value["signatures"][0]))

    with pytest.raises(Untrusted, match="1 者の署名しか"):
        bundle.verify()


def test_one_signature_under_two_names_counts_once(bundle):
    """The key id is the attacker's to write; what counts is which key verifies."""

    def under_the_reviewers_name(value):
        other = sign({}, [bundle.ring.signer(REVIEWER)])
        named = json.loads(other)["signatures"][0]["keyid"]
        value["signatures"].append({**value["signatures"][0], "keyid": named})

    bundle.signed(COORDINATOR)
    rewrite_envelope(bundle, under_the_reviewers_name)

    with pytest.raises(Untrusted, match="1 者の署名しか"):
        bundle.verify()


def test_one_key_for_both_roles_is_refused(bundle):
    """Whoever holds one key must not be both people."""
    key = bundle.ring.public(COORDINATOR)

    with pytest.raises(Untrusted, match="同じ鍵"):
        Trusted({COORDINATOR: key, REVIEWER: key}, None)
    with pytest.raises(Untrusted, match="同じ鍵"):
        verify_statement((bundle.folder / ENVELOPE).read_bytes(), {"a": key, "b": key}, threshold=2)


@pytest.mark.parametrize("threshold", [0, -1, 3])
def test_a_threshold_that_is_none_is_refused(bundle, threshold):
    with pytest.raises(Untrusted):
        verify_statement((bundle.folder / ENVELOPE).read_bytes(), bundle.trusted.keys, threshold=threshold)


def test_no_keys_trust_nothing(bundle):
    with pytest.raises(Untrusted):
        verify_statement((bundle.folder / ENVELOPE).read_bytes(), {}, threshold=0)


def test_the_keys_of_another_home_are_wrong(bundle, tmp_path):
    from workbench.artifact.keys import KeyRing

    other = KeyRing.of(Home.create(tmp_path / "other"))
    for owner in ADMITTERS:
        other.create(owner)

    with pytest.raises(Untrusted, match="登録された鍵のものではありません"):
        bundle.verify(trusted=Trusted.of(other))


def test_a_persons_key_does_not_stand_for_a_role(bundle):
    bundle.ring.create("person:sato")

    with pytest.raises(Untrusted, match="1 者の署名しか"):
        bundle.signed(COORDINATOR, "person:sato").verify()


def test_a_changed_signature_is_wrong(bundle):
    def flip(value):
        for signature in value["signatures"]:
            raw = bytearray(base64.b64decode(signature["sig"]))
            raw[5] ^= 1
            signature["sig"] = base64.b64encode(raw).decode()

    rewrite_envelope(bundle, flip)

    with pytest.raises(Untrusted, match="登録された鍵のものではありません"):
        bundle.verify()


def test_a_changed_statement_is_wrong(bundle):
    def extend(value):
        statement = json.loads(base64.b64decode(value["payload"]))
        statement["predicate"]["valid_until"] = "2099-01-01T00:00:00Z"
        value["payload"] = base64.b64encode(rfc8785.dumps(statement)).decode()

    rewrite_envelope(bundle, extend)

    with pytest.raises(Untrusted, match="登録された鍵のものではありません"):
        bundle.verify()


def test_the_statement_is_not_parsed_before_its_signatures_hold(bundle, monkeypatch):
    """Verify before parsing: a parser is never shown what nobody signed."""
    shown = []
    genuine = envelopes.parse_canonical
    monkeypatch.setattr(
        envelopes,
        "parse_canonical",
        lambda content, *, name: (shown.append(content), genuine(content, name=name))[1],
    )
    envelope = (bundle.folder / ENVELOPE).read_bytes()
    payload = base64.b64decode(json.loads(envelope)["payload"])
    bundle.ring.create("person:sato")

    with pytest.raises(Untrusted):
        verify_statement(envelope, {"person:sato": bundle.ring.public("person:sato")}, threshold=1)
    assert payload not in shown
    verify_statement(envelope, bundle.trusted.keys, threshold=2)
    assert payload in shown


def test_the_manifest_is_not_parsed_before_its_digest_holds(bundle, monkeypatch):
    monkeypatch.setattr("workbench.artifact.verifying.parse", lambda _: pytest.fail("parsed"))
    (bundle.folder / MANIFEST).write_bytes(b"[" * 100_000)

    with pytest.raises(Untrusted, match="別のバンドル"):
        bundle.verify()


def test_the_signature_of_another_bundle_is_refused(bundle, make):
    other = make("other", "other content").signed(*ADMITTERS)
    (bundle.folder / ENVELOPE).write_bytes((other.folder / ENVELOPE).read_bytes())

    with pytest.raises(Untrusted, match="別のバンドル"):
        bundle.verify()


def test_a_signed_vote_or_revocation_list_is_no_admission(bundle, now):
    """Both roles sign other things too; those signatures admit nothing."""
    listed = Revocations.none_yet(home="home", now=now).statement()
    for statement in ({"vote": "admit"}, listed):
        with pytest.raises(Untrusted, match="決められた形"):
            bundle.signed(*ADMITTERS, statement=statement).verify()


def test_an_admission_is_no_revocation_list(bundle, now):
    with pytest.raises(Untrusted, match="決められた形"):
        verify_revocations((bundle.folder / ENVELOPE).read_bytes(), trusted=bundle.trusted, now=now)


@pytest.mark.parametrize("path", ["data/train.csv", "dictionary.json", MANIFEST])
def test_a_changed_byte_after_signing_is_refused(bundle, path):
    content = bytearray((bundle.folder / path).read_bytes())
    content[0] ^= 1
    (bundle.folder / path).write_bytes(content)

    with pytest.raises(Untrusted):
        bundle.verify()


def test_an_extra_file_after_signing_is_refused(bundle):
    (bundle.folder / "model.pkl").write_text("x")

    with pytest.raises(Untrusted, match="目録にありません"):
        bundle.verify()


def test_sealing_again_after_signing_is_refused(bundle, make):
    """Changing a file and making its manifest anew leaves the signatures behind."""
    from workbench.artifact.manifest import seal

    (bundle.folder / "data/train.csv").write_text("a,b\n9,9\n")
    seal(bundle.folder, kind="dataset", name="child-year", version="1.0.0", meta={}, demonstration=None)

    with pytest.raises(Untrusted, match="別のバンドル"):
        bundle.verify()


def test_a_demonstration_bundle_is_refused_in_a_real_home(demonstrated, bundle):
    with pytest.raises(Untrusted, match="実演用"):
        demonstrated.verify(trusted=bundle.trusted)


def test_a_demonstration_bundle_signed_with_real_keys_is_still_refused(make):
    mixed = make("mixed", demonstration="demonstration-7").signed(*ADMITTERS)

    with pytest.raises(Untrusted, match="実演用"):
        mixed.verify()


def test_a_real_bundle_is_refused_in_a_demonstration(bundle, demonstrated):
    unmarked = Trusted(bundle.trusted.keys, demonstrated.trusted.demonstration)

    with pytest.raises(Untrusted, match="実演"):
        bundle.verify(trusted=unmarked)


def test_a_demonstration_verifies_in_itself(demonstrated):
    assert demonstrated.verify().manifest.demonstration == "demonstration-7"


def test_an_expired_bundle_is_refused(bundle, now):
    bundle.verify(now=now + timedelta(days=365))

    with pytest.raises(Untrusted, match="有効期限"):
        bundle.verify(now=now + timedelta(days=365, seconds=1))


def revocations(bundle, now, *digests, owner=COORDINATOR, renew=0):
    listed = Revocations.none_yet(home="home", now=now)
    for digest in digests:
        listed = listed.revoking(digest, reason="a fault was found", now=now)
    for _ in range(renew):
        listed = listed.renewed(now=now)
    return sign(listed.statement(), [bundle.ring.signer(owner)])


@pytest.mark.parametrize("owner", ADMITTERS)
def test_a_revoked_bundle_is_refused(bundle, now, owner):
    listed = verify_revocations(
        revocations(bundle, now, bundle.manifest.digest, owner=owner), trusted=bundle.trusted, now=now
    )

    with pytest.raises(Untrusted, match="失効しました"):
        bundle.verify(revocations=listed)


def test_revoking_one_bundle_leaves_another(bundle, make, now):
    other = make("other").signed(*ADMITTERS)
    listed = verify_revocations(
        revocations(bundle, now, other.manifest.digest), trusted=bundle.trusted, now=now
    )

    assert bundle.verify(revocations=listed).manifest == bundle.manifest


@pytest.mark.parametrize("newer", [{"renew": 1}, {"digests": ["a" * 64]}], ids=["renewed", "longer"])
def test_an_older_revocation_list_played_again_is_refused(bundle, now, tmp_path, newer):
    def take(envelope):
        return verify_revocations(envelope, trusted=bundle.trusted, now=now, seen=tmp_path / "seen.json")

    old = revocations(bundle, now)
    new = revocations(bundle, now, *newer.get("digests", []), renew=newer.get("renew", 0))
    take(old)
    take(new)
    take(new)

    with pytest.raises(Untrusted, match=r"第 0 号.*第 1 号"):
        take(old)


def test_a_second_list_of_the_same_number_is_refused(bundle, now, tmp_path):
    seen = tmp_path / "seen.json"
    verify_revocations(revocations(bundle, now, "a" * 64), trusted=bundle.trusted, now=now, seen=seen)

    later = revocations(bundle, now + timedelta(days=1), "a" * 64)
    with pytest.raises(Untrusted, match="引き継がれていません"):
        verify_revocations(later, trusted=bundle.trusted, now=now, seen=seen)


def test_a_newer_list_that_takes_a_revocation_back_is_refused(bundle, now, tmp_path):
    """One stolen key may revoke; it may not un-revoke."""
    seen = tmp_path / "seen.json"
    verify_revocations(revocations(bundle, now, "a" * 64), trusted=bundle.trusted, now=now, seen=seen)

    with pytest.raises(Untrusted, match="引き継がれていません"):
        verify_revocations(
            revocations(bundle, now, renew=5, owner=REVIEWER), trusted=bundle.trusted, now=now, seen=seen
        )


def test_a_revocation_list_past_its_end_is_refused(bundle, now):
    """Keeping newer lists away must not stay unnoticed."""
    with pytest.raises(Untrusted, match="新しい失効リスト"):
        verify_revocations(revocations(bundle, now), trusted=bundle.trusted, now=now + timedelta(days=91))


def test_a_revocation_list_by_somebody_else_is_refused(bundle, now):
    bundle.ring.create("person:sato")

    with pytest.raises(Untrusted, match="登録された鍵のものではありません"):
        verify_revocations(revocations(bundle, now, owner="person:sato"), trusted=bundle.trusted, now=now)


def test_the_first_reason_of_a_revocation_stands(now):
    listed = Revocations.none_yet(home="home", now=now).revoking("a" * 64, reason="first", now=now)

    again = listed.revoking("a" * 64, reason="second", now=now + timedelta(1))

    assert again.revoked["a" * 64]["reason"] == "first"
    assert again.sequence == 2


def test_pinned_keys_survive_the_file(bundle, tmp_path):
    (tmp_path / "trusted.json").write_bytes(bundle.trusted.to_json())

    assert Trusted.load(tmp_path / "trusted.json") == bundle.trusted


PINNED = {
    "one role only": lambda value: value["keys"].pop(REVIEWER),
    "one key twice": lambda value: value["keys"].update({REVIEWER: value["keys"][COORDINATOR]}),
    "an unknown key": lambda value: value.update(note="x"),
    "a short key": lambda value: value["keys"].update({REVIEWER: "00"}),
    "no mark of a demonstration": lambda value: value.pop("demonstration"),
}


@pytest.mark.parametrize("change", PINNED.values(), ids=PINNED)
def test_a_list_of_keys_that_is_not_whole_is_refused(bundle, tmp_path, change):
    value = json.loads(bundle.trusted.to_json())
    change(value)
    (tmp_path / "trusted.json").write_bytes(rfc8785.dumps(value))

    with pytest.raises(Untrusted):
        Trusted.load(tmp_path / "trusted.json")


def test_without_a_list_of_keys_nothing_is_trusted(tmp_path):
    with pytest.raises(NotFound, match="key trust"):
        Trusted.load(tmp_path / "trusted.json")


ENVELOPES = {
    "garbage": b"x",
    "an empty object": b"{}",
    "a list": b"[]",
    "a payload that is no base64": rfc8785.dumps(
        {"payload": "!", "payloadType": "application/vnd.in-toto+json", "signatures": []}
    ),
    "another payload type": rfc8785.dumps({"payload": "", "payloadType": "text/plain", "signatures": []}),
    "a signature with one more key": rfc8785.dumps(
        {
            "payload": "",
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"keyid": "0" * 64, "sig": "A" * 86 + "==", "cert": ""}],
        }
    ),
}


@pytest.mark.parametrize("content", ENVELOPES.values(), ids=ENVELOPES)
def test_an_envelope_that_is_none_is_refused(bundle, content):
    (bundle.folder / ENVELOPE).write_bytes(content)

    with pytest.raises(Untrusted):
        bundle.verify()


def test_a_huge_envelope_is_refused_before_it_is_parsed(bundle):
    with (bundle.folder / ENVELOPE).open("r+b") as file:
        file.truncate(2 << 20)

    with pytest.raises(Untrusted, match="大きすぎます"):
        bundle.verify()
