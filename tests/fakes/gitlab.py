"""GitLab's variables API as far as the provider asks: single variables by scope, pages, the groups above a project."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.backend import Asked, Backend

TOKEN = "glpat-planted"


@dataclass
class Variable:
    key: str
    value: str | None
    scope: str = "*"

    def shown(self) -> dict[str, Any]:
        return {
            "variable_type": "env_var",
            "key": self.key,
            "value": self.value,
            "hidden": self.value is None,
            "environment_scope": self.scope,
        }


class FakeGitlab(Backend):
    """`places`: variables by (project or group, its id). `ancestors`: full path and id of the groups above projects.
    `totals`: whether pages are counted; `tells_next`: whether the next page is told by a header of its own."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.places: dict[tuple[str, str], list[Variable]] = {("project", "7"): []}
        self.ancestors: dict[str, list[tuple[str, int]]] = {}
        self.tokens = {TOKEN}
        self.totals = self.tells_next = True
        self.down = False

    @property
    def variables(self) -> list[Variable]:
        return self.places["project", "7"]

    def put(self, key: str, value: str | None, scope: str = "*", place: tuple[str, str] = ("project", "7")) -> None:
        variables = self.places.setdefault(place, [])
        variables[:] = [one for one in variables if (one.key, one.scope) != (key, scope)]
        variables.append(Variable(key, value, scope))

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.down:
            return refusal(503, "503 Service Unavailable")
        if asked.headers.get("PRIVATE-TOKEN") not in self.tokens:
            return refusal(401, "401 Unauthorized")
        if found := re.fullmatch(r"/api/v4/projects/(.+)/groups", asked.path):
            return self._groups(unquote(found.group(1)))
        found = re.fullmatch(r"/api/v4/(project|group)s/(.+?)/variables(?:/(.+))?", asked.path)
        if found is None:
            return refusal(404, "404 Not Found")
        kind, id, key = found.groups()
        variables = self.places.get((kind, unquote(id)))
        if variables is None:
            return refusal(404, f"404 {kind.capitalize()} Not Found")
        return self._single(variables, key, asked) if key else self._page(variables, asked)

    def _groups(self, project: str) -> web.Response:
        if project not in self.ancestors:
            return refusal(404, "404 Project Not Found")
        found = [{"id": id, "full_path": path, "name": path} for path, id in self.ancestors[project]]
        return web.json_response(found)

    def _single(self, variables: list[Variable], key: str, asked: Asked) -> web.Response:
        scope = asked.query.get("filter[environment_scope]")
        same = [one for one in variables if one.key == key and scope in (None, one.scope)]
        if not same:
            return refusal(404, "404 Variable Not Found")
        if len(same) > 1:
            return refusal(409, "There are multiple variables with provided parameters. Please use 'filter'")
        return web.json_response(same[0].shown())

    def _page(self, variables: list[Variable], asked: Asked) -> web.Response:
        size, page = int(asked.query["per_page"]), int(asked.query["page"])
        pages = max(1, -(-len(variables) // size))
        headers = {"X-Page": str(page)}
        if self.totals:
            headers["X-Total-Pages"] = str(pages)
        if self.tells_next:
            headers["X-Next-Page"] = str(page + 1) if page < pages else ""
        elif page < pages:
            headers["Link"] = f'<{self.address}{asked.path}?page={page + 1}>; rel="next"'
        found = [one.shown() for one in variables[(page - 1) * size : page * size]]
        return web.json_response(found, headers=headers)


def refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
