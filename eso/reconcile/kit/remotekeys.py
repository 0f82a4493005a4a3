"""Under which names one remote secret may be spoken of: in `remoteRef.key`, and in the event of a backend.

Neighbours: the index of what ExternalSecrets read, and ChangeSources, compare these names. Two different secrets may
share one, which costs a read too many; one secret without a common name would be a change that nobody hears.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SUFFIX: Final = 7  # `-AbCdEf`, which Secrets Manager puts behind a name in its ARN
VIRTUAL: Final = "data/"
TYPED: Final = "secret/"  # Azure Key Vault


def names_read(provider: str, block: Mapping[str, Any], key: str) -> frozenset[str]:
    """For a key as the spec of an object has it. `provider` and `block`: of the object's store."""
    match provider:
        case "aws":
            return aws(text(block, "prefix") + key if not key.startswith("arn:") else key)
        case _:
            return names(provider, block, key)


def names_told(provider: str, block: Mapping[str, Any], key: str) -> frozenset[str]:
    """For a key as an event has it: the backend's own name, or what an object of this store would say."""
    return names(provider, block, key) | names_read(provider, block, key)


def names(provider: str, block: Mapping[str, Any], key: str) -> frozenset[str]:
    match provider:
        case "vault" | "openBao":
            return frozenset((vault(text(block, "path"), key),))
        case "aws":
            return aws(key)
        case "gcpsm":
            return frozenset((google(key),))
        case "azurekv":
            return frozenset((key.strip("/").removeprefix(TYPED),))
        case _:
            return frozenset((key.strip("/"),))


def below(prefix: str, name: str) -> bool:
    """Whether `name` lies below `prefix`: one that ends with a slash is a folder."""
    return name.startswith(prefix) or (prefix.endswith("/") and name == prefix[:-1])


def prefixes_told(provider: str, block: Mapping[str, Any], prefix: str) -> frozenset[str]:
    """The same for a prefix; {""} for everything."""
    if not prefix.strip("/"):
        return frozenset(("",))
    slash = "/" if prefix.endswith("/") else ""
    return frozenset(name + slash if name else "" for name in names_told(provider, block, prefix))


def vault(path: str, key: str) -> str:
    """`secret/data/team/db` and `team/db` are the same in a store with path `secret`; without a path the first part is
    the mount."""
    mount, name = path.strip("/").removesuffix("/data"), key.strip("/")
    if mount:
        return (name if name == mount else name.removeprefix(mount + "/")).removeprefix(VIRTUAL)
    head, slash, rest = name.partition("/")
    return head + slash + rest.removeprefix(VIRTUAL)


def aws(key: str) -> frozenset[str]:
    """A name, or an ARN of Secrets Manager or of Parameter Store, with and without the suffix."""
    if key.startswith("arn:"):
        parts = key.split(":", 6)
        if len(parts) == 7 and parts[5] == "secret":
            name = parts[6]
            return frozenset((name.strip("/"), name[:-SUFFIX].strip("/"))) if ends_random(name) else frozenset((name,))
        if len(parts) >= 6 and parts[5].startswith("parameter/"):
            return frozenset((":".join(parts[5:]).removeprefix("parameter/").strip("/"),))
    return frozenset((key.strip("/"),))


def ends_random(name: str) -> bool:
    tail = name[-SUFFIX:]
    return len(name) > SUFFIX and tail[0] == "-" and tail[1:].isascii() and tail[1:].isalnum()


def google(key: str) -> str:
    """`projects/p/secrets/name/versions/3` → `name`."""
    _, found, rest = key.strip("/").rpartition("secrets/")
    return rest.partition("/")[0] if found else rest


def text(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    return value if isinstance(value, str) else ""
