"""Runs the mutants and says which of them survived; exits with 1 if one did.

`python -m tests.mutants.run [words]`: only the mutants whose room, file or text holds one of the words. A mutant whose
tests hang until SECONDS counts as survived: a lost wake-up should fail within a second.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.mutants.table import ROOT, Mutant, load

SECONDS = 60


def verdict(number: int, mutant: Mutant) -> str:
    """ "" when a test noticed the fault."""
    try:
        mutant.source()
    except ValueError as error:
        return f"OUT OF DATE: {error}"
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutants.plugin", "-x", "-q", *mutant.tests.split()]
    environment = {**os.environ, "MUTANT": str(number), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return "HANGS"
    match ran.returncode:
        case 0:
            return "SURVIVED"
        case 1:
            return ""
        case _:
            return f"DID NOT RUN: {(ran.stderr or ran.stdout).strip().splitlines()[-1:]}"


def main(words: list[str]) -> int:
    bad = count = 0
    for number, mutant in enumerate(load()):
        if words and not any(word in f"{mutant.room} {mutant.file} {mutant.says}" for word in words):
            continue
        found = verdict(number, mutant)
        count, bad = count + 1, bad + bool(found)
        print(f"{found or 'killed':10} {mutant.file}: {mutant.says}", flush=True)
    print(f"{count - bad} of {count} mutants were noticed")
    return 1 if bad or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
