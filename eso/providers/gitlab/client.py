"""One login at GitLab: variables of a project and its groups read one by one, several in one call, or searched.

Neighbours: connect.py makes it, codec.py says which variable counts, refusal.py words what GitLab refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Final

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    Denied,
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.gitlab import codec
from eso.providers.gitlab.spec import ANY, Scope, scope
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, segment, status_line
from eso.providers.kit.search import Volume, Walk, by_name
from eso.providers.kit.together import each

LABEL: Final = "GitLab"
PER_PAGE: Final = 100
FILTER: Final = "filter[environment_scope]"
NOT_VALID: Final = "could not verify whether the gitlabClient is valid: "


@dataclass(frozen=True, slots=True)
class Asked:
    """One variable."""

    scope: Scope
    key: str


@dataclass(frozen=True, slots=True)
class Place:
    """A project or a group."""

    kind: str
    id: str

    @property
    def path(self) -> str:
        return f"/{self.kind}s/{segment(self.id)}/variables"


class Client(Connected[Connection]):
    """A StoreClient with Batches."""

    most: ClassVar[int] = 100

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.scope = scope(store.provider_spec)

    async def validate(self) -> Validation:
        """The variables of the project and of each group may be listed."""
        places = [Place("project", self.scope.project)] if self.scope.project else []
        try:
            places += await self._groups(self.scope)
            for place in places:
                reply = await self._page(place, 1)
                if reply.status != 200:
                    text = f"gitlabClient is not allowed to get secrets for {place.kind} id [{place.id}]"
                    raise ValidationFailed(text) from Malformed(text)
        except ValidationFailed:
            raise
        except EsoError as error:
            raise ValidationFailed(f"{NOT_VALID}{error}", fix=error.fix) from error
        return Validation.READY

    # one variable

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        key = codec.name_of(ref.key)
        segment(key)
        return Asked(self.scope, key)

    async def fetch(self, request: Hashable) -> codec.Variable:
        """The project's, else that of the closest group. What is not there is an ordinary error, as in the
        reference."""
        assert isinstance(request, Asked)
        asked, found = request, None
        if asked.scope.project:
            found = await self._variable(Place("project", asked.scope.project), asked)
        if found is None:
            for group in reversed(await self._groups(asked.scope)):
                found = await self._variable(group, asked)
                if found is not None:
                    break
        if found is None:
            raise missing(asked)
        return found

    def value(self, payload: codec.Variable, ref: RemoteRef) -> bytes:
        return codec.value(payload, codec.name_of(ref.key), ref.property)

    def mapping(self, payload: codec.Variable, ref: RemoteRef) -> dict[str, bytes]:
        try:
            document = self.value(payload, ref)
        except EsoError as error:
            raise prefixed(f"error getting secret {ref.key}: ", error) from error
        return codec.mapping(document)

    async def _variable(self, place: Place, asked: Asked) -> codec.Variable | None:
        """None where GitLab has none for the environment, nor one for all of them."""
        environment = asked.scope.environment
        for wanted in (environment,) if environment in ANY else (environment, "*"):
            try:
                reply = await self.connection.api.send(
                    f"{place.kind.capitalize()}VariableGet",
                    "GET",
                    f"{place.path}/{segment(asked.key)}",
                    query={FILTER: wanted} if wanted else None,
                )
            except NothingThere:
                continue
            return await self.decoded(reply.body, codec.variable_of)
        return None

    # many

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, Asked)
        return request.scope

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Variable | EsoError]:
        """Lists of the project, and of groups for what it does not have; one by one what these do not settle."""
        wanted = [request for request in requests if isinstance(request, Asked)]
        answers: dict[Hashable, codec.Variable | EsoError] = {}
        if len(wanted) > 1:
            # Whatever a list is refused for, single variables may not be.
            with suppress(Denied, InvalidConfig, Malformed, NothingThere):
                await self._settled(wanted, answers)
        return answers | await each((request for request in wanted if request not in answers), self.fetch)

    async def _settled(self, wanted: Sequence[Asked], answers: dict[Hashable, codec.Variable | EsoError]) -> None:
        """Puts into `answers` what lists tell for certain, the project's before the closest group's. A list is read as
        long as it costs no more than single reads would."""
        where, left = wanted[0].scope, list(wanted)
        places = [Place("project", where.project)] if where.project else []
        places += reversed(await self._groups(where))
        for place in places:
            variables, complete = await self._listed(place, len(left))
            unknown: list[Asked] = []
            for asked in left:
                found = codec.picked(variables, asked.key, where.environment, complete=complete)
                if found is not None:
                    answers[asked] = found
                elif complete and not any(variable.key == asked.key for variable in variables):
                    unknown.append(asked)
                elif complete and where.environment:
                    unknown.append(asked)  # there, but for other environments
            left = unknown
            if not left:
                return
        answers |= {asked: missing(asked) for asked in left}

    async def _listed(self, place: Place, pages: int) -> tuple[list[codec.Variable], bool]:
        """At most so many pages, and whether these are all."""
        found: list[codec.Variable] = []
        page: int | None = 1
        for _ in range(max(1, pages)):
            if page is None:
                break
            reply = await self._page(place, page)
            found += await self.decoded(reply.body, codec.variables_of)
            page = codec.following(reply, page)
        return found, page is None

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """All pages of the groups and of the project: which of equal names counts is known at the end."""
        environment = codec.environment_of(find, self.scope.environment)
        matches = by_name(find)
        walk, volume = Walk(), Volume()
        groups = [await self._all(group, walk, volume) for group in await self._groups(self.scope)]
        project: list[codec.Variable] = []
        if self.scope.project:
            project = await self._all(Place("project", self.scope.project), walk, volume)
        names = {variable.key: None for variables in (*groups, project) for variable in variables}
        wanted = await matches.these(names)
        yield await self.connection.offload.run_for(
            self.store.namespace, codec.chosen, groups, project, environment, wanted
        )

    async def _all(self, place: Place, walk: Walk, volume: Volume) -> list[codec.Variable]:
        found: list[codec.Variable] = []
        page: int | None = 1
        while page is not None:
            walk.enter()
            reply = await self._page(place, page)
            variables = await self.decoded(reply.body, codec.variables_of)
            walk.found(variables)
            for variable in variables:
                volume.counted(variable.data)
            found += variables
            page = codec.following(reply, page)
        return found

    async def _page(self, place: Place, page: int) -> Reply:
        query = {"per_page": str(PER_PAGE), "page": str(page)}
        return await self.connection.api.send(f"{place.kind.capitalize()}VariablesList", "GET", place.path, query=query)

    async def _groups(self, where: Scope) -> list[Place]:
        """The groups that count, the closest one last."""
        groups = where.groups
        if where.inherits and where.project:
            path = f"/projects/{segment(where.project)}/groups"
            reply = await self.connection.api.send("ListProjectsGroups", "GET", path)
            groups = await self.decoded(reply.body, codec.groups_of)
        return [Place("group", group) for group in groups]


def missing(asked: Asked) -> EsoError:
    """The reference's error for a variable that is nowhere."""
    text = status_line(404)
    if asked.scope.environment not in ANY:
        text = f"error getting variable {asked.key} from GitLab (including wildcard retry): {text}"
    return NothingThere(text, fix="create the variable, or correct remoteRef.key, projectID or environment")
