import pytest

from kb.errors import InputError
from kb.passwords import LONGEST, SHORTEST, hash_password, is_password

PASSWORD = "correct horse battery ü"


def test_a_password_is_known_by_its_hash_and_another_is_not():
    hashed = hash_password(PASSWORD)
    assert is_password(PASSWORD, hashed)
    assert not is_password(PASSWORD + " ", hashed)
    assert not is_password("", hashed)


def test_a_hash_is_salted_and_does_not_hold_the_password():
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first != second
    assert "horse" not in first


def test_a_hash_says_how_it_is_checked():
    assert hash_password(PASSWORD).split("$")[:4] == ["scrypt", "15", "8", "1"]


@pytest.mark.parametrize("password", ["x" * (SHORTEST - 1), "x" * (LONGEST + 1), ""])
def test_passwords_that_are_too_short_or_too_long_are_refused(password):
    with pytest.raises(InputError, match=f"{SHORTEST} to {LONGEST}"):
        hash_password(password)


def test_a_text_of_any_length_is_no_password_at_no_cost():
    assert not is_password("x" * 10**7, hash_password(PASSWORD))
