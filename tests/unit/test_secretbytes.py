import pickle

import pytest

from eso.secretbytes import SecretBytes, SecretMap


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, "{:>20}".format], ids=["repr", "str", "format", "a format spec"]
)
def test_a_secret_value_never_prints(show):
    assert "hunter2" not in show(SecretBytes(b"hunter2"))


def test_a_secret_value_cannot_be_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(SecretBytes(b"hunter2"))


def test_a_map_of_secret_values_never_prints_and_hides_each_value_that_is_looked_up():
    values = SecretMap({"user": b"hunter2"}, 300)
    assert "hunter2" not in f"{values!r}{values}{list(values.values())}"
    assert (list(values), len(values), values.size) == (["user"], 1, 300)
    assert values["user"].reveal() == b"hunter2"
    assert values.reveal() == {"user": b"hunter2"}
    with pytest.raises(TypeError):
        pickle.dumps(values)


def test_equal_bytes_are_equal_secrets():
    assert SecretBytes(b"a") == SecretBytes(b"a") != SecretBytes(b"b")
