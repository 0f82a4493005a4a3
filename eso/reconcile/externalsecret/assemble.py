"""Raw values → the data map: rewrite, convert, check, decode, in the order of the spec.

Neighbours: gather.py brings the raw values, desired.py puts the map into a Secret. All or nothing: any error leaves the
target alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eso.errors import EsoError
from eso.providers.contract import (
    AuthExpired,
    AuthRejected,
    Denied,
    InvalidConfig,
    Malformed,
    NotYet,
    SecretNotFound,
    Throttled,
    Unavailable,
)
from eso.reconcile.externalsecret.readplan import Extract, FindAll, Generate, One, Read
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.template import LIMITS, Limits
from eso.template.world import WORLD
from eso.values.convert import check_keys, convert_keys
from eso.values.decode import decode_map, decode_value, refuse_null_bytes
from eso.values.rewrite import rewrite

Raw = Mapping[str, bytes] | bytes | EsoError


@dataclass(frozen=True, slots=True)
class Assembled:
    """The data map; texts of Events: entries whose secret the backend proved missing, entries that lost keys."""

    data: dict[str, bytes] = field(repr=False)
    missing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def assemble(results: list[tuple[Read, Raw]], *, skip_missing: bool, limits: Limits = LIMITS) -> Assembled:
    """Merges the results in plan order. `limits` bound each transform template.

    `skip_missing`: the deletion policy lets a proven not-found contribute nothing.
    """
    data: dict[str, bytes] = {}
    missing: list[str] = []
    lost: list[str] = []
    limits = limits.together(WORLD)
    for read, raw in results:
        if isinstance(raw, EsoError):
            if not (skip_missing and proven_missing(raw)):
                # Never raised itself: with a traceback it would keep this frame, and all results with it.
                raise failed(read, raw) from raw
            missing.append(missing_text(read))
            continue
        try:
            shaped = shape(read, raw, limits)
            data |= shaped
            lost += lost_text(read, raw, shaped)
        except EsoError as error:
            raise failed(read, error) from error
    return Assembled(data, tuple(missing), tuple(lost))


def failed(read: Read, error: EsoError) -> Failed:
    text = f"error processing {where(read)}, err: {error}"
    return Failed(Stage.FETCH, text, fix=error.fix, retryable=error.retryable)


def shape(read: Read, raw: Mapping[str, bytes] | bytes, limits: Limits) -> dict[str, bytes]:
    match read:
        case One(secret_key=key, spec=spec):
            assert isinstance(raw, bytes)
            value = decode_value(raw, spec.decoding_strategy, limits)
            refuse_null_bytes({key: value}, spec.null_byte_policy)
            return {key: value}
        case Generate(entry=entry):
            assert isinstance(raw, Mapping)
            return check_keys(rewrite(dict(raw), entry.rewrite, limits), limits)
        case FindAll(entry=entry) | Extract(entry=entry):
            assert isinstance(raw, Mapping)
            source = entry.find or entry.extract
            assert source is not None
            renamed = (
                rewrite(dict(raw), entry.rewrite, limits)
                if entry.rewrite
                else convert_keys(dict(raw), source.conversion_strategy, limits)
            )
            values = decode_map(check_keys(renamed, limits), source.decoding_strategy, limits)
            refuse_null_bytes(values, source.null_byte_policy)
            return values


def where(read: Read) -> str:
    match read:
        case One(index=i, remote=ref):
            return f"spec.data[{i}] (key: {ref.key})"
        case Extract(index=i):
            return f"spec.dataFrom[{i}].extract"
        case FindAll(index=i):
            return f"spec.dataFrom[{i}].find"
        case Generate(index=i):
            return f"spec.dataFrom[{i}].sourceRef.generatorRef"


def missing_text(read: Read) -> str:
    text = f"secret does not exist at provider using spec.dataFrom[{read.index}]"
    return f"{text} (key={read.remote.key})" if isinstance(read, One) else text


def lost_text(read: Read, raw: Mapping[str, bytes] | bytes, shaped: Mapping[str, bytes]) -> list[str]:
    """A rewrite that makes different keys equal keeps only one of them. A merge has another number of keys on
    purpose."""
    if isinstance(read, One) or any(operation.merge is not None for operation in read.entry.rewrite):
        return []
    gone = len(raw) - len(shaped)
    place = f"spec.dataFrom[{read.index}].rewrite"
    return [f"{gone} of {len(raw)} keys were lost in {place}: different keys became equal"] if gone > 0 else []


def proven_missing(error: BaseException | None) -> bool:
    """Did the backend say not-found? The outermost error with a meaning of its own decides: a refusal after a not-found
    is a refusal."""
    while error is not None:
        if isinstance(error, MEANINGFUL):
            return isinstance(error, SecretNotFound)
        error = error.__cause__
    return False


MEANINGFUL = (
    SecretNotFound,
    AuthExpired,
    AuthRejected,
    Denied,
    Throttled,
    Unavailable,
    NotYet,
    Malformed,
    InvalidConfig,
)
