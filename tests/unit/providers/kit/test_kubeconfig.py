"""A kubeconfig that somebody stores: what it says, and how little it may cost to find out."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from typing import Any

import pytest

from eso.providers.contract import InvalidConfig
from eso.providers.kit.kubeconfig import MOST_EVENTS, Reached, kubeconfig, tree

CA = base64.b64encode(b"authority").decode()
PLAIN = f"""
apiVersion: v1
kind: Config
current-context: "2024"
preferences: {{}}
clusters:
- name: far
  cluster: {{server: https://far.example:6443/, certificate-authority-data: {CA}, insecure-skip-tls-verify: false}}
- name: near
  cluster:
    server: https://near.example
contexts:
- {{name: 2024, context: {{cluster: far, user: me}}}}
users:
- name: me
  user:
    token: 0123
    password:
    username: ~
    exec: null
--- # nobody reads a second document
current-context: other
"""


def test_the_current_context_says_where_and_who():
    assert kubeconfig(PLAIN.encode()) == Reached("https://far.example:6443", b"authority", "0123")


@pytest.mark.parametrize("word", ["true", "True", "yes", "on", '"false"', "1"])
def test_a_server_that_is_not_verified_is_refused_however_it_is_said(word: str):
    with pytest.raises(InvalidConfig, match="insecure-skip-tls-verify is not supported"):
        kubeconfig(PLAIN.replace("insecure-skip-tls-verify: false", f"insecure-skip-tls-verify: {word}").encode())


COSTLY = {
    "an object for each of many nodes": "a: [" + "[]," * 340_000 + "]",
    "merged keys": "a: &a {" + ",".join(f"k{n}: 1" for n in range(20_000)) + "}\n" + "m: {<<: *a}\n" * 300,
    "aliases of aliases": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    "levels without end": "[" * 100_000,
    "a few levels too many": "[" * 40 + "]" * 40,
    "many keys": "{" + "a," * 500_000 + "}",
    "a number in sixties": "a: 1:" + "1:" * 300_000 + "1",
    "a long number": "a: " + "1" * 900_000,
    "a time of many digits": "a: 2001-01-01 00:00:00." + "1" * 900_000,
    "a tag of an object": "!!python/object/apply:os.system [x]",
    "a list": "[a, b]",
    "nothing": "",
    "no text": "\0",
}


@pytest.mark.parametrize("form", COSTLY)
def test_a_kubeconfig_that_is_none_is_refused_after_few_steps(form: str):
    def refused() -> None:
        with pytest.raises(InvalidConfig):
            kubeconfig(COSTLY[form].encode())

    assert counted(refused) < 40 * MOST_EVENTS


def counted(work: Callable[[], object]) -> int:
    """How many functions of Python are called."""
    count = 0

    def called(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += 1

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_keys_that_are_no_texts_are_left_out():
    assert tree(b"{a: b, [c]: d, e: [1, ~]}") == {"a": "b", "e": ["1", None]}
