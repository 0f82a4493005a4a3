"""Does the steps of a case on a cluster and takes a snapshot of its namespace after each.

Neighbours: case.py describes a case, snapshot.py says what of an object counts. The operator runs beside it.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from e2e.harness.certs import Authority, Pair
from e2e.harness.cluster import MERGE_PATCH, Api, ApiRefused
from e2e.harness.waiting import PATIENCE, NeverHappened, eventually
from tests.recorded.accepted import as_recorded
from tests.recorded.case import Case, Json, Step
from tests.recorded.snapshot import Names, entry, events, states, text
from tests.recorded.web import Web

SHOWN = ("ExternalSecret", "Secret", "ConfigMap", "SecretStore")
HELD = ("PushSecret", "GeneratorState")  # by finalizers that wait for a backend, which ends with the case
NOT_SERVED = (404, 429)
APPLY = "application/apply-patch+yaml"
WITHIN_SECONDS = 60.0  # the garbage collector learns of new kinds every 30 s
LATE_SECONDS = 60.0
LATEST_SECONDS = 180.0  # of the quiet after a step: a namespace that never comes to rest is looked at all the same
UID_OF = re.compile(r"\$\{UID:(\w+)/([^}]+)\}")


class Stopped(RuntimeError):
    """The tests are over: nobody waits for this replay."""


@dataclass(frozen=True)
class Trust:
    """Who signed what the servers of the cases show: `ca`, `pair` for 127.0.0.1, and `other`, which signed nothing."""

    folder: Path

    @cached_property
    def ca(self) -> bytes:
        return self._authority.cert.read_bytes()

    @cached_property
    def pair(self) -> Pair:
        return self._authority.server("answers")

    @cached_property
    def other(self) -> bytes:
        return Authority(self.folder / "other", "other").cert.read_bytes()

    @cached_property
    def _authority(self) -> Authority:
        return Authority(self.folder / "known", "recorded")


class Replay:
    """One run of one case; `snapshots` is filled step by step. `stop` ends it at its next look at the cluster."""

    def __init__(self, case: Case, api: Api, stop: threading.Event, trust: Trust, variables: Mapping[str, str]) -> None:
        self.case, self.api, self.stop = case, api, stop
        self.snapshots: list[Json] = []
        self._web = None if case.http is None else Web({}, trust.pair)
        admin = api.credentials
        self._variables = {
            **pem("SERVER_CA", admin.ca),
            **pem("ADMIN_CERT", admin.cert),
            **pem("ADMIN_KEY", admin.key),
            **pem("HTTPS_CA", trust.ca),
            **pem("OTHER_CA", trust.other),
            "${SERVER}": admin.server,
            "${SERVER_HOST}": admin.server.partition("://")[2],
            # a fake store remembers pushes by its name for as long as the operator runs
            "${RUN}": f"q{uuid.uuid4().hex[:8]}",
            **variables,
        }
        self._names = Names()
        self._made: list[tuple[str, str, str]] = []
        self._namespaces = [case.namespace]

    def run(self) -> list[Json]:
        """Raises Stopped, and ApiRefused for a patch or a deletion that the API server does not take."""
        with self._web or nullcontext():
            if self._web:
                self._variables |= {"${HTTP}": self._web.url, "${HTTPS}": self._web.https}
                self._web.routes |= self._filled(self.case.http)
            return self._run()

    def _run(self) -> list[Json]:
        self.api.create("namespaces", "", {"metadata": {"name": self.case.namespace, "labels": self.case.labels}})
        try:
            for step in self.case.steps:
                self.snapshots.append(self._names.of(self._unfilled(self._do(step))))
        finally:
            self._clean_up()
        return self.snapshots

    def _filled(self, value: Any) -> Any:
        """With the values of this run for the variables of the case."""
        text = json.dumps(value)
        for name, known in self._variables.items():
            text = text.replace(name, json.dumps(known)[1:-1])
        return json.loads(text)

    def _unfilled(self, value: Any) -> Any:
        text = json.dumps(value)
        for name, known in sorted(self._variables.items(), key=lambda one: -len(one[1])):
            text = text.replace(json.dumps(known)[1:-1], name)
        return json.loads(text)

    # -- a step -------------------------------------------------------------------------------------------------------

    def _do(self, step: Step) -> Json:
        if self._web:
            self._web.routes |= self._filled(step.http)
            if step.reset:
                self._web.forget()
        refused = dict(self._applied(step))
        for patch in self._filled(step.patch):
            time.sleep(patch.get("pause", 0))  # patches that a user sends one after the other
            path = self._path(patch) + "?fieldManager=editor"
            self.api.request("PATCH", path, patch["patch"], content_type=MERGE_PATCH)
        for deleted in self._filled(step.delete):
            self._unless_gone("DELETE", self._path(deleted))
        late = [wait for wait in self._filled(step.wait) if not self._came_true(wait)]
        more = ({"refused": refused} if refused else {}) | ({"waitedInVain": show(late)} if late else {})
        return self._at_rest(step.quiet, more) | more

    def _applied(self, step: Step) -> Iterator[tuple[str, str]]:
        """Applies; yields (kind/name, what the API server said) of what it refuses."""
        for obj in self._filled(step.apply):
            kind, name = obj["kind"], obj["metadata"]["name"]
            namespace = obj["metadata"].get("namespace", self.case.namespace)
            if kind == "Namespace" and name not in self._namespaces:
                self._namespaces.append(name)
            path = f"{self.case.path(kind, namespace, name)}?fieldManager=author&force=true"
            body = self._with_uids(obj)
            self._made.append((kind, namespace, name))
            try:
                self._apply(path, body)
            except ApiRefused as error:
                yield f"{kind}/{name}", str(error)

    def _apply(self, path: str, body: Json) -> None:
        """Waits for a kind whose CRD was only just applied."""

        def sent() -> ApiRefused | bool:
            try:
                self.api.request("PATCH", path, body, content_type=APPLY)
            except ApiRefused as error:
                if error.code in NOT_SERVED:
                    raise
                return error
            return True

        if isinstance(error := self._eventually(sent, 15), ApiRefused):
            raise error

    def _with_uids(self, obj: Json) -> Json:
        """`${UID:Kind/name}` stands for the uid of that object."""

        def uid(match: re.Match[str]) -> str:
            found = self.api.request("GET", self.case.path(match[1], self.case.namespace, match[2]))
            return str(found["metadata"]["uid"])

        filled: Json = json.loads(UID_OF.sub(uid, json.dumps(obj)))
        return filled

    # -- waiting ------------------------------------------------------------------------------------------------------

    def _eventually(self, check: Any, within_seconds: float, patience: float = PATIENCE) -> Any:
        def given_up() -> str | None:
            return "stopped" if self.stop.is_set() else None

        return eventually(check, within_seconds, every=0.2, give_up=given_up, patience=patience)

    def _came_true(self, wait: Json) -> bool:
        try:
            return bool(self._eventually(lambda: self._holds(wait), wait.get("within", WITHIN_SECONDS)))
        except NeverHappened:
            if self.stop.is_set():
                raise Stopped from None
            return False

    def _holds(self, wait: Json) -> bool:
        if "items" in wait:
            return len(self._items(wait["items"], self.case.namespace)) == wait["count"]
        found = self._get(self._path(wait))
        match wait:
            case {"absent": True}:
                return found is None
            case _ if found is None:
                return False
            case {"event": message}:
                items = self._items("Event", wait.get("namespace", self.case.namespace))
                return any(
                    one["involvedObject"].get("name") == wait["name"] and message in one.get("message", "")
                    for one in items
                )
            case {"keys": keys}:
                return sorted(found.get("data") or {}) == sorted(keys)
            case {"secretData": data}:
                have = found.get("data") or {}
                decode = text if wait["kind"] == "Secret" else str
                return all(key in have and decode(have[key]) == value for key, value in data.items())
            case {"fields": fields}:
                return all(at(found, names(path)) == value for path, value in fields.items())
            case {"field": path}:
                return fits(at(found, path), wait)
            case {"condition": type_}:
                wanted = {name: wait[name] for name in ("status", "reason") if name in wait} | {"type": type_}
                return any(
                    wanted.items() <= one.items() and wait.get("message", "") in one.get("message", "")
                    for one in found.get("status", {}).get("conditions", ())
                )
            case _ if wait.keys() <= {"kind", "name", "namespace", "within"}:
                return True
            case _:
                raise KeyError(f"a wait cannot say {sorted(wait)}")

    def _at_rest(self, quiet: float, more: Json) -> Json:
        """The snapshot that did not change for `quiet` seconds, and longer while it is not as recorded: on a machine
        with much to do a step takes effect late."""
        began = since = time.monotonic()
        seen = self._snapshot()
        while time.monotonic() - began < LATEST_SECONDS:
            rested = time.monotonic() - since
            if rested >= quiet and (rested >= quiet + LATE_SECONDS or self._as_recorded(seen | more)):
                break
            if self.stop.wait(0.3):
                raise Stopped
            now = self._snapshot()
            if now != seen:
                seen, since = now, time.monotonic()
        return seen

    def _as_recorded(self, snapshot: Json) -> bool:
        return as_recorded(self.case, [*self.snapshots, self._names.tried(self._unfilled(snapshot))])

    # -- looking ------------------------------------------------------------------------------------------------------

    def _path(self, named: Json) -> str:
        return self.case.path(named["kind"], named.get("namespace", self.case.namespace), named["name"])

    def _get(self, path: str) -> Json | None:
        """None for what is not there, and for a kind whose CRD was only just applied."""
        try:
            return self.api.request("GET", path)
        except ApiRefused as error:
            if error.code in NOT_SERVED:
                return None
            raise

    def _items(self, kind: str, namespace: str) -> list[Json]:
        items: list[Json] = (self._get(self.case.path(kind, namespace)) or {"items": []})["items"]
        return items

    def _snapshot(self) -> Json:
        first, *others = [self._snapshot_of(namespace) for namespace in self._namespaces]
        if wide := [kind for kind in self.case.watch if self._cluster_scoped(kind)]:
            first["Events"] = sorted([*first["Events"], *events(filter(self._ours, self._items("Event", "default")))])
        for kind in wide:
            if ours := [obj for obj in self._items(kind, "") if self.case.namespace in json.dumps(obj)]:
                first[kind] = {obj["metadata"]["name"]: self._entry(kind, obj) for obj in ours}
        if self._web:
            first["http"] = self._web.asked()
        return first | ({"otherNamespaces": dict(zip(self._namespaces[1:], others, strict=True))} if others else {})

    def _snapshot_of(self, namespace: str) -> Json:
        shown: Json = {"Events": events(self._items("Event", namespace))}
        for kind in (*SHOWN, *(kind for kind in self.case.watch if kind not in SHOWN)):
            if self._cluster_scoped(kind):
                continue
            items = [obj for obj in self._items(kind, namespace) if obj["metadata"]["name"] != "kube-root-ca.crt"]
            entries = (
                states(items)
                if kind == "GeneratorState"
                else {obj["metadata"]["name"]: self._entry(kind, obj) for obj in items}
            )
            shown |= {kind: entries} if entries else {}
        return shown

    def _entry(self, kind: str, obj: Json) -> Json:
        return entry(obj, secret=kind == "Secret", spec=kind in self.case.specs)

    def _cluster_scoped(self, kind: str) -> bool:
        return "{ns}" not in self.case.kinds[kind]

    def _ours(self, event: Json) -> bool:
        return self.case.namespace in (event["involvedObject"].get("name") or "")

    # -- leaving ------------------------------------------------------------------------------------------------------

    def _clean_up(self) -> None:
        """What a finalizer of the case keeps is let go; what waits for a backend has a moment for it."""
        for kind, namespace, name in reversed(self._made):
            if kind != "Namespace":
                self._unless_gone("DELETE", self.case.path(kind, namespace, name))
        with suppress(NeverHappened):
            self._eventually(lambda: not list(self._held(HELD)), 3, patience=0)
        for path in self._held((*HELD, "SecretStore", "Secret")):
            self._unless_gone("PATCH", path, {"metadata": {"finalizers": None}})
        for namespace in self._namespaces:
            self._unless_gone("DELETE", self.case.path("Namespace", "", namespace))

    def _held(self, kinds: Sequence[str]) -> Iterator[str]:
        """Paths of objects that a finalizer keeps."""
        for namespace in self._namespaces:
            for kind in kinds:
                for obj in self._items(kind, namespace):
                    if obj["metadata"].get("finalizers"):
                        yield self.case.path(kind, namespace, obj["metadata"]["name"])

    def _unless_gone(self, verb: str, path: str, body: Json | None = None) -> None:
        try:
            self.api.request(verb, path, body, content_type=MERGE_PATCH)
        except ApiRefused as error:
            if error.code != 404:
                raise


def pem(name: str, content: bytes) -> dict[str, str]:
    """A variable for the text, and one for how a manifest carries it."""
    return {f"${{{name}}}": content.decode(), f"${{{name}64}}": base64.b64encode(content).decode()}


def at(obj: Json, path: Sequence[str | int]) -> Any:
    """The value at a path of member names and places, None where there is none."""
    value: Any = obj
    for name in path:
        match value, name:
            case dict(), _:
                value = value.get(name)
            case list(), int() if name < len(value):
                value = value[name]
            case _:
                return None
    return value


def names(path: str) -> list[str]:
    """`a.b~c` is the member b.c of a."""
    return [name.replace("~", ".") for name in path.split(".")]


def fits(value: Any, wait: Json) -> bool:
    match wait:
        case {"missing": True}:
            return not value
        case {"equals": wanted}:
            return bool(value == wanted)
        case {"count": wanted}:
            return len(value or ()) == wanted
        case _:
            return value is not None


def show(waits: list[Json]) -> list[str]:
    return [json.dumps(wait, sort_keys=True) for wait in waits]
