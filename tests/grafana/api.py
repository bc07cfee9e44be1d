# SPDX-License-Identifier: MIT
"""What Grafana's HTTP API does of what berth asks: authentication, ids, payloads, refusals.

As https://grafana.com/docs/grafana/latest/developers/http_api/ has it, by page: admin, user, org,
folder, folder_permissions, other. Messages are those of Grafana's source (pkg/api).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, Any]
ROLES = ("None", "Viewer", "Editor", "Admin")
VIEW, EDIT, ADMIN = 1, 2, 4
NAMES = {VIEW: "View", EDIT: "Edit", ADMIN: "Admin"}


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.answer: Answer = (status, {"message": message})


@dataclass
class User:
    id: int
    login: str
    email: str
    name: str
    password: str
    server_admin: bool = False


@dataclass
class Folder:
    id: int
    uid: str
    title: str
    items: list[dict[str, Any]] | None = None  # None: the default permissions


@dataclass
class State:
    """An installation with one organization. `auto_assign_org`: [users] of its configuration."""

    auto_assign_org: bool = True
    auto_assign_org_role: str = "Viewer"
    same_titles: bool = False  # later versions allow two folders of one title
    exists: int = 412  # what a login that is taken is answered with
    healthy: bool = True
    users: dict[int, User] = field(default_factory=dict)
    members: dict[int, str] = field(default_factory=dict)  # user id to role
    folders: dict[str, Folder] = field(default_factory=dict)
    last_id: int = 0

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def add_user(self, login: str, password: str, email: str = "", name: str = "",
                 role: str | None = None, server_admin: bool = False) -> User:
        user = User(self.next_id(), login, email, name, password, server_admin)
        self.users[user.id] = user
        if role is not None:
            self.members[user.id] = role
        return user

    def add_folder(self, title: str, uid: str = "",
                   items: list[dict[str, Any]] | None = None) -> Folder:
        number = self.next_id()
        folder = Folder(number, uid or f"f{number:08x}", title, items)
        self.folders[folder.uid] = folder
        return folder

    def find(self, login_or_email: str) -> User | None:
        """Logins and e-mails are compared without regard to case."""
        wanted = login_or_email.lower()
        for user in self.users.values():
            if wanted and wanted in (user.login.lower(), user.email.lower()):
                return user
        return None

    def permissions(self, title: str) -> set[tuple[str, int]]:
        """Who may do what in the folder of that title, as (login or role, level)."""
        [folder] = [f for f in self.folders.values() if f.title == title]
        items = folder.items if folder.items is not None else DEFAULTS
        return {(self.users[i["userId"]].login if i.get("userId") else i["role"], i["permission"])
                for i in items}


DEFAULTS = [{"role": "Viewer", "permission": VIEW}, {"role": "Editor", "permission": EDIT}]


class Api:
    """Answers a request; `caller` is whom it is authenticated as."""

    def __init__(self, state: State) -> None:
        self.state = state

    def answer(self, method: str, path: str, authorization: str | None, text: bytes) -> Answer:
        url = urlsplit(path)
        try:
            if (method, url.path) == ("GET", "/api/health"):
                return self.health()
            caller = self.authenticate(authorization)
            body = self.parse(text) if method != "GET" else {}
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            for verb, pattern, handler in ROUTES:
                found = re.fullmatch(pattern, url.path)
                if verb == method and found:
                    return handler(self, caller, *map(unquote, found.groups()), body | query)
        except Refused as refused:
            return refused.answer
        return 404, {"message": "Not found"}

    def health(self) -> Answer:
        """other: no authentication; 503 where the database fails (pkg/api/http_server.go)."""
        if self.state.healthy:
            return 200, {"commit": "087143285", "database": "ok", "version": "6.5.2"}
        return 503, {"commit": "087143285", "database": "failing", "version": "6.5.2"}

    def authenticate(self, authorization: str | None) -> User:
        """authentication: basic auth of a user's login or e-mail and password."""
        kind, _, code = (authorization or "").partition(" ")
        if kind != "Basic":
            raise Refused(401, "Unauthorized")
        login, _, password = base64.b64decode(code).decode().partition(":")
        user = self.state.find(login)
        if user is None or user.password != password:
            raise Refused(401, "Invalid username or password")
        return user

    @staticmethod
    def parse(text: bytes) -> dict[str, Any]:
        try:
            body = json.loads(text)
        except ValueError:
            raise Refused(400, "bad request data") from None
        if not isinstance(body, dict):
            raise Refused(400, "bad request data")
        return body

    @staticmethod
    def server_admin(caller: User) -> None:
        """admin: "the Grafana user must have the Grafana Admin permission"."""
        if not caller.server_admin:
            raise Refused(403, "Permission denied")

    def org_admin(self, caller: User) -> None:
        """org: "Accessible to users with org admin role"."""
        if self.state.members.get(caller.id) != "Admin":
            raise Refused(403, "Permission denied")

    # -- admin, user ---------------------------------------------------------------------------

    def create_user(self, caller: User, body: dict[str, Any]) -> Answer:
        self.server_admin(caller)
        for member in ("name", "email", "login", "password"):
            if not isinstance(body.get(member, ""), str):
                raise Refused(400, "bad request data")
        login, email = body.get("login") or body.get("email", ""), body.get("email", "")
        if not login:
            raise Refused(400, "Validation error, need specify either username or email")
        if len(body.get("password", "")) < 4:
            raise Refused(400, "Password is missing or too short")
        if self.state.find(login) or (email and self.state.find(email)):
            raise Refused(self.state.exists, f"User with email '{email}' or username '{login}' "
                                             "already exists")
        role = self.state.auto_assign_org_role if self.state.auto_assign_org else None
        user = self.state.add_user(login, body["password"], email, body.get("name", ""), role)
        return 200, {"id": user.id, "message": "User created"}

    def look_up(self, caller: User, query: dict[str, Any]) -> Answer:
        self.server_admin(caller)
        user = self.state.find(query.get("loginOrEmail", ""))
        if user is None:
            raise Refused(404, "user not found")
        return 200, {"id": user.id, "email": user.email, "name": user.name, "login": user.login,
                     "theme": "", "orgId": 1, "isGrafanaAdmin": user.server_admin}

    # -- org -----------------------------------------------------------------------------------

    def list_members(self, caller: User, _: dict[str, Any]) -> Answer:
        self.org_admin(caller)
        return 200, [{"orgId": 1, "userId": n, "email": self.state.users[n].email,
                      "login": self.state.users[n].login, "role": role}
                     for n, role in self.state.members.items()]

    def role_of(self, body: dict[str, Any]) -> str:
        if body.get("role") not in ROLES:
            raise Refused(400, "Invalid role specified")
        return body["role"]

    def add_member(self, caller: User, body: dict[str, Any]) -> Answer:
        self.org_admin(caller)
        role, user = self.role_of(body), self.state.find(body.get("loginOrEmail", ""))
        if user is None:
            raise Refused(404, "user not found")
        if user.id in self.state.members:
            raise Refused(409, "User is already member of this organization")
        self.state.members[user.id] = role
        return 200, {"message": "User added to organization", "userId": user.id}

    def change_member(self, caller: User, number: str, body: dict[str, Any]) -> Answer:
        self.org_admin(caller)
        role = self.role_of(body)
        if int(number) not in self.state.members:
            raise Refused(404, "user not found")
        self.state.members[int(number)] = role
        return 200, {"message": "Organization user updated"}

    # -- folder, folder_permissions ------------------------------------------------------------

    def list_folders(self, caller: User, query: dict[str, Any]) -> Answer:
        limit, page = int(query.get("limit", 1000)), int(query.get("page", 1))
        found = list(self.state.folders.values())[(page - 1) * limit:page * limit]
        return 200, [{"id": f.id, "uid": f.uid, "title": f.title} for f in found]

    def create_folder(self, caller: User, body: dict[str, Any]) -> Answer:
        self.org_admin(caller)
        title, uid = body.get("title", ""), body.get("uid", "")
        if not title:
            raise Refused(400, "folder title cannot be empty")
        if len(uid) > 40 or not re.fullmatch(r"[A-Za-z0-9_-]*", uid):
            raise Refused(400, "uid contains illegal characters")
        titles = {f.title.lower() for f in self.state.folders.values()}
        if uid in self.state.folders or (title.lower() in titles and not self.state.same_titles):
            raise Refused(409, "a folder with the same name already exists in the current location")
        folder = self.state.add_folder(title, uid)
        folder.items = [{"userId": caller.id, "permission": ADMIN}, *DEFAULTS]
        return 200, {"id": folder.id, "uid": folder.uid, "title": title,
                     "url": f"/dashboards/f/{folder.uid}/{title}", "version": 1}

    def folder(self, uid: str) -> Folder:
        if uid not in self.state.folders:
            raise Refused(404, "folder not found")
        return self.state.folders[uid]

    def list_permissions(self, caller: User, uid: str, _: dict[str, Any]) -> Answer:
        """Without its own, a folder has those of folderId -1 for Viewer and Editor."""
        folder = self.folder(uid)
        self.org_admin(caller)
        number = folder.id if folder.items is not None else -1
        entries = []
        for item in DEFAULTS if folder.items is None else folder.items:
            user = self.state.users.get(item.get("userId", 0))
            entries.append({
                "id": 1, "folderId": number, "created": "2017-06-20T02:00:00+02:00",
                "userId": user.id if user else 0, "userLogin": user.login if user else "",
                "teamId": item.get("teamId", 0), "team": "", "role": item.get("role", ""),
                "permission": item["permission"], "permissionName": NAMES[item["permission"]],
                "uid": uid, "title": folder.title, "isFolder": True, "inherited": False})
        return 200, entries

    def set_permissions(self, caller: User, uid: str, body: dict[str, Any]) -> Answer:
        """"This operation will remove existing permissions if they're not included in the
        request"; "Permissions cannot be set for Admins"."""
        folder = self.folder(uid)
        self.org_admin(caller)
        items, seen = body.get("items"), set()
        if not isinstance(items, list):
            raise Refused(400, "bad request data")
        for item in items:
            who = [(k, item[k]) for k in ("userId", "teamId", "role") if item.get(k)]
            if len(who) != 1 or item.get("permission") not in NAMES or who[0] in seen or \
                    set(item) - {"userId", "teamId", "role", "permission"}:
                raise Refused(400, "bad request data")
            if who[0][0] == "role" and who[0][1] not in ("Viewer", "Editor"):
                raise Refused(400, "Permissions cannot be set for Admins")
            if who[0][0] == "userId" and who[0][1] not in self.state.members:
                raise Refused(400, "user not found")
            seen.add(who[0])
        folder.items = items
        return 200, {"message": "Folder permissions updated", "id": folder.id,
                     "title": folder.title}


ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("POST", "/api/admin/users", Api.create_user),
    ("GET", "/api/users/lookup", Api.look_up),
    ("GET", "/api/org/users", Api.list_members),
    ("POST", "/api/org/users", Api.add_member),
    ("PATCH", "/api/org/users/([0-9]+)", Api.change_member),
    ("GET", "/api/folders", Api.list_folders),
    ("POST", "/api/folders", Api.create_folder),
    ("GET", "/api/folders/([^/]+)/permissions", Api.list_permissions),
    ("POST", "/api/folders/([^/]+)/permissions", Api.set_permissions),
]
