"""Private keys are their owner's alone, say where they come from, and never stand for another."""

import pytest

from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.verifying import verify_statement
from workbench.errors import NotFound, Refused, Unprotected, Untrusted, Unusable
from workbench.home import Home

COORDINATOR = "role:coordinator"


@pytest.fixture
def empty(home) -> KeyRing:
    return KeyRing.of(home)


def file_of(ring: KeyRing, owner: str = COORDINATOR):
    return ring.folder / f"{owner.replace(':', '.')}.pem"


def test_what_the_key_signs_its_public_half_verifies(empty):
    public = empty.create(COORDINATOR)

    envelope = sign({"vote": "admit"}, [empty.signer(COORDINATOR)])

    assert verify_statement(envelope, {COORDINATOR: public}, 1) == {"vote": "admit"}


def test_nobody_signs_is_a_bug(empty):
    with pytest.raises(ValueError, match="nobody"):
        sign({}, [])


def test_a_key_file_is_its_owners_alone(empty):
    empty.create(COORDINATOR)

    assert file_of(empty).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_others_may_read_is_refused(empty, mode):
    empty.create(COORDINATOR)
    file_of(empty).chmod(mode)

    with pytest.raises(Unprotected, match="chmod 600"):
        empty.signer(COORDINATOR)


def test_an_owner_keeps_their_key(empty):
    public = empty.create(COORDINATOR)

    with pytest.raises(Refused):
        empty.create(COORDINATOR)

    assert empty.public(COORDINATOR) == public == empty.ensure(COORDINATOR)


def test_an_owner_without_a_key_does_not_sign(empty):
    with pytest.raises(NotFound, match="key create"):
        empty.signer(COORDINATOR)


@pytest.mark.parametrize(
    "owner", ["../x", "role:../x", "role:", "sato", "role:a/b", "role:coordinator\n", "admin:x"]
)
def test_an_owner_that_is_a_path_is_refused(empty, owner):
    with pytest.raises(Unusable):
        empty.create(owner)

    assert list(empty.folder.iterdir()) == []


def test_real_keys_are_never_the_same(empty, tmp_path):
    other = KeyRing.of(Home.create(tmp_path / "other"))

    assert empty.create(COORDINATOR) != other.create(COORDINATOR) != other.create("role:reviewer")


def test_keys_of_a_demonstration_repeat_and_say_so(tmp_path):
    rings = [KeyRing.of(Home.create(tmp_path / name, seed=7)) for name in "ab"]

    assert rings[0].create(COORDINATOR) == rings[1].create(COORDINATOR) != rings[1].create("role:reviewer")
    (file,) = rings[0].folder.iterdir()
    assert file.name.startswith("DEMONSTRATION.")
    assert "DEMONSTRATION: demonstration-7" in file.read_text()
    assert rings[0].owners()[0].demonstration == "demonstration-7"


def test_a_demonstration_key_carried_into_a_real_home_does_not_sign(empty, demonstration):
    """Everybody can make it from the seed."""
    shown = KeyRing.of(demonstration)
    shown.create(COORDINATOR)
    (file,) = shown.folder.iterdir()
    file.rename(file_of(empty))

    with pytest.raises(Untrusted, match="このホームのものではありません"):
        empty.signer(COORDINATOR)


def test_a_key_put_under_another_owner_does_not_sign(empty):
    empty.create("person:sato")
    file_of(empty, "person:sato").rename(file_of(empty))

    with pytest.raises(Untrusted):
        empty.signer(COORDINATOR)


def test_a_public_half_that_is_not_the_private_ones_does_not_sign(empty):
    public = empty.create(COORDINATOR)
    file_of(empty).write_text(file_of(empty).read_text().replace(public, "0" * 64))

    with pytest.raises(Untrusted):
        empty.signer(COORDINATOR)


def test_a_passphrase_closes_the_key(empty, monkeypatch):
    monkeypatch.setenv("WORKBENCH_KEY_PASSPHRASE", "いろはにほへと")
    public = empty.create(COORDINATOR)

    assert "ENCRYPTED PRIVATE KEY" in file_of(empty).read_text()
    assert verify_statement(sign({}, [empty.signer(COORDINATOR)]), {COORDINATOR: public}, 1) == {}
    for wrong in ("", "guess"):
        monkeypatch.setenv("WORKBENCH_KEY_PASSPHRASE", wrong)
        with pytest.raises(Unusable, match="合言葉"):
            empty.signer(COORDINATOR)
    assert empty.public(COORDINATOR) == public


def test_a_truncated_key_file_is_unusable(empty):
    empty.create(COORDINATOR)
    file_of(empty).write_text(file_of(empty).read_text()[:-60])

    with pytest.raises(Unusable):
        empty.signer(COORDINATOR)


def test_the_list_tells_no_secret(empty):
    for owner in (COORDINATOR, "person:sato"):
        empty.create(owner)

    assert [key.owner for key in empty.owners()] == ["person:sato", COORDINATOR]
    secret = file_of(empty).read_text().splitlines()[-2]
    assert secret not in str(empty.owners())


def test_a_kill_while_a_key_is_made_leaves_a_whole_key_or_none(tmp_path, kill_at_every_point):
    def check(home):
        ring = KeyRing.of(home)
        public = ring.ensure(COORDINATOR)
        assert verify_statement(sign({}, [ring.signer(COORDINATOR)]), {COORDINATOR: public}, 1) == {}

    points = kill_at_every_point(
        lambda n: Home.create(tmp_path / str(n)), lambda home: KeyRing.of(home).create(COORDINATOR), check
    )

    assert points > 4


WORDS = "a sentence of one's own"


def test_under_a_passphrase_of_its_owner_a_key_signs_and_stays_the_same(empty):
    public = empty.create("person:abe")
    empty.protect("person:abe", WORDS)

    envelope = sign({"vote": "admit"}, [empty.signer("person:abe", words=WORDS)])

    assert verify_statement(envelope, {"person:abe": public}, 1) == {"vote": "admit"}
    assert file_of(empty, "person:abe").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", ["", "another sentence", None])
def test_attack_another_passphrase(empty, words):
    empty.create("person:abe")
    empty.protect("person:abe", WORDS)

    with pytest.raises(Unusable) as refused:
        empty.signer("person:abe", words=words)
    assert ("WORKBENCH_KEY_PASSPHRASE" in str(refused.value)) is (words is None)


def test_attack_a_key_without_a_passphrase_signs_at_a_distance(empty):
    empty.create("person:abe")

    with pytest.raises(Refused, match="protect"):
        empty.signer("person:abe", words="anything at all")


def test_a_short_passphrase_is_refused_and_the_key_stays(empty):
    empty.create("person:abe")

    with pytest.raises(Unusable):
        empty.protect("person:abe", "short")

    assert empty.signer("person:abe")
