"""Both meanings of `retrySettings`."""

from __future__ import annotations

import pytest

from eso.providers.contract import InvalidConfig, Retries
from eso.providers.kit import retries

DEFAULT = Retries(2, 1.5)


@pytest.mark.parametrize(
    ("settings", "after_the_first", "in_all"),
    [
        pytest.param(None, DEFAULT, DEFAULT, id="without settings the provider's own word holds"),
        pytest.param({}, Retries(0, 1.5), DEFAULT, id="settings without a number"),
        pytest.param({"maxRetries": 3}, Retries(3, 1.5), Retries(2, 1.5), id="three retries or three attempts"),
        pytest.param(
            {"maxRetries": 0}, Retries(0, 1.5), Retries(retries.NO_LIMIT, 1.5), id="none at all or as many as it takes"
        ),
        pytest.param({"maxRetries": 1, "retryInterval": "250ms"}, Retries(1, 0.25), Retries(0, 0.25), id="an interval"),
        pytest.param({"maxRetries": 1, "retryInterval": "-1s"}, Retries(1, 0.0), Retries(0, 0.0), id="never negative"),
    ],
)
def test_settings_have_two_meanings(settings, after_the_first, in_all):
    assert retries.after_the_first(settings, DEFAULT) == after_the_first
    assert retries.in_all(settings, DEFAULT) == in_all


@pytest.mark.parametrize("meaning", [retries.after_the_first, retries.in_all])
def test_an_interval_that_is_no_duration_is_refused_in_the_words_of_the_provider(meaning):
    with pytest.raises(InvalidConfig) as refused:
        meaning({"retryInterval": "soon"}, DEFAULT, "unable to initialize aws provider: ")
    assert str(refused.value) == 'unable to initialize aws provider: time: invalid duration "soon"'
    with pytest.raises(InvalidConfig, match=r"^time: "):
        meaning({"retryInterval": "5"}, DEFAULT)
