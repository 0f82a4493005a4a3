import pickle

import pytest

from eso.secretbytes import SecretBytes


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, "{:>20}".format], ids=["repr", "str", "format", "a format spec"]
)
def test_a_secret_value_never_prints(show):
    assert "hunter2" not in show(SecretBytes(b"hunter2"))


def test_a_secret_value_cannot_be_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(SecretBytes(b"hunter2"))


def test_equal_bytes_are_equal_secrets():
    assert SecretBytes(b"a") == SecretBytes(b"a") != SecretBytes(b"b")
