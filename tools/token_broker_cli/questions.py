"""What a person is asked, flow by flow, and what is read past the shell.

No secret is ever an argument: it is typed unseen, or it comes from a file.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from token_broker_cli.errors import CommandError, usage
from token_broker_cli.settings import LocalSystem

LONGEST = 65_536
"""Bytes that Secrets Manager keeps in one secret."""


def can_ask() -> bool:
    """Say whether questions can be answered: stdin may be a file, or closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def prompt(text: str, default: str | None = None, *, hide: bool = False) -> str:
    """Return what a person types; what is hidden is typed unseen, and proposes nothing."""
    shown = bool(default) and not hide
    answer = _asked(typer.prompt, text, default=default, hide_input=hide, show_default=shown)
    return str(answer).strip()


def confirm(question: str) -> None:
    """Ask a person to confirm; raise `CommandError` if the answer is no."""
    if not can_ask():
        raise usage("stdin is no terminal to confirm on", "Say so: --yes")
    if not _asked(typer.confirm, question):
        raise aborted()


def _asked(ask: Any, text: str, **options: Any) -> Any:
    try:
        return ask(text, err=True, **options)
    except typer.Abort as error:
        sys.stderr.write("\n")  # the question stands there yet
        # Typer makes one of two: Ctrl-C ends the command, the end of the input only the question.
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise aborted() from None


def aborted() -> CommandError:
    """Return the error for a person's no."""
    return CommandError("aborted", "nothing was changed")


def content(file: str) -> bytes:
    """Return what is in *file*, or on stdin for ``-``. Raises `CommandError`."""
    if file == "-" and sys.stdin is None:
        raise usage("--file: stdin is closed")
    try:
        found = sys.stdin.buffer.read(LONGEST + 1) if file == "-" else _first(Path(file))
    except OSError as error:
        raise usage(f"--file: {error.strerror}") from None
    if len(found) > LONGEST:
        raise usage(f"--file: more than {LONGEST} bytes")
    return found


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST + 1)


Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Asks for one key of a secret."""

    key: str
    text: str
    default: str | None = None
    is_secret: bool = False
    is_optional: bool = False
    is_implied: bool = False
    """Whether the broker takes the default by itself, so that the secret need not have it."""

    def ask(self, kept: str | None = None) -> str:
        """Return what a person answers; *kept* is what the connection has now."""
        if self.is_secret:
            return prompt(self.text, hide=True)
        default = kept or self.default or ("" if self.is_optional else None)
        hint = " (empty: none)" if self.is_optional and not default else ""
        return prompt(f"{self.text}{hint}", default)


KEY = Question(
    "personal_access_token", "Personal access token (empty: log in by e-mail)", is_secret=True
)
LOGIN = (Question("email", "E-mail"), Question("password", "Password", is_secret=True))
QUESTIONS = {
    "vntana": (
        Question("organization", "Organization, uuid or slug", is_optional=True),
        Question("workspace", "Workspace, uuid or slug", is_optional=True),
        Question("base_url", "Address", "https://api-platform.vntana.com", is_implied=True),
    ),
    "vendorlink": (
        Question("username", "User name"),
        Question("password", "Password", is_secret=True),
        Question("host", "Host", "app.vendorlink.nl"),
    ),
    "editor": (
        Question("api_key", "API key", is_secret=True),
        Question("editor_url", "Address of the editor"),
        Question(
            "token_url",
            "Address of the token service",
            "https://tokens.kudo.graebert.com",
            is_implied=True,
        ),
    ),
}

LOGIN_KEYS = {
    "vntana": ("personal_access_token", "email", "password", "base_url"),
    "vendorlink": ("username", "password", "host"),
    "editor": ("api_key", "token_url"),
}
"""The keys that decide whether a vendor accepts a login."""


def ask_for_secret(flow: str, kept: Mapping[str, Any], local: LocalSystem | None) -> Document:
    """Ask for what *flow* needs; return it over what is *kept* of the connection."""
    document = dict(kept)
    if flow == "vntana":
        document = login(document)
    for question in QUESTIONS[flow]:
        default = kept.get(question.key, local_default(question.key, flow, local))
        answer = question.ask(default if isinstance(default, str) else None)
        document.pop(question.key, None)
        if answer and not (question.is_implied and answer == question.default):
            document[question.key] = answer
    if flow == "vendorlink":
        document = loopback(document)
    return pinned(flow, document)


def pinned(flow: str, document: Document) -> Document:
    """Ask what callers may not choose, of what *document* says; return it with the answer."""
    parameters = document.get("parameters")
    given: Mapping[str, Any] = parameters if isinstance(parameters, dict) else {}
    if flow == "vntana":
        given = {key: document[key] for key in ("organization", "workspace") if key in document}
    before = document.get("pinned")
    others = {key: value for key, value in document.items() if key != "pinned"}
    if not given:
        return others
    names = ", ".join(name for name in given if isinstance(before, list) and name in before)
    hint = ", ".join(given) + ("" if names else "; empty: none")
    answer = prompt(f"Pinned, so that callers may not choose it (of {hint})", names)
    chosen = [name.strip() for name in answer.split(",") if name.strip() not in ("", "-")]
    return others | ({"pinned": chosen} if chosen else {})


def login(kept: Mapping[str, Any]) -> Document:
    """Ask for one of VNTANA's two kinds of login, which takes the place of the kept one."""
    others = {
        k: v for k, v in kept.items() if k not in ("personal_access_token", "email", "password")
    }
    key = prompt(KEY.text, "", hide=True)
    if key:
        return others | {KEY.key: key}
    email = kept.get("email")
    return others | {one.key: one.ask(email if one.key == "email" else None) for one in LOGIN}


def local_default(key: str, flow: str, local: LocalSystem | None) -> str | None:
    """Return where the local system's fake of a vendor is, which is what is meant there."""
    if local is None:
        return None
    url = local.url(flow)
    places = {
        "base_url": url,
        "host": url.removeprefix("http://"),
        "token_url": url,
        "editor_url": f"{url}/editor",
    }
    return places.get(key)


def loopback(document: Document) -> Document:
    """Return *document* with the scheme that a server on this machine has."""
    host = str(document.get("host", "")).partition(":")[0]
    is_local = host in {"127.0.0.1", "localhost"}
    return document | ({"scheme": "http"} if is_local else {})


def is_same_login(flow: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether a vendor would judge both alike."""
    return all(one.get(key) == other.get(key) for key in LOGIN_KEYS[flow])
