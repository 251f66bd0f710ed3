"""Graebert's token service for the ARES Kudo editor, and a page in place of the editor.

    POST /generate   x-api-key, and the editor's parameters   -> token, expiration_time
    GET  /verify     x-api-token                              -> the parameters, and auth
    GET  /editor     ?apitoken=<token>                        -> a page

https://graebert.atlassian.net/wiki/x/U4CJRg
https://graebert.atlassian.net/wiki/spaces/KUDOPARTNER/pages/1180008643/Editor+parameters
"""

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from time import sleep as real_sleep
from time import time
from typing import Any, ClassVar

from token_broker_fakes.editor.modes import EditorModes
from token_broker_fakes.fake import Fake, Handler, Sleep
from token_broker_fakes.opaque import uuid
from token_broker_fakes.wire import Answer, Call, Refused

DEMO_KEY = "demo-access-key"
DEMO_APPLICATION = "demo-application"
WRONG_TOKEN = b"{\n  Wrong token\n}\n"
"""The text of every 403: it looks like JSON and is none."""
TYPES = {"json": "application/json", "text": "text/plain"}
METHODS = {"/generate": "POST", "/verify": "GET", "/editor": "GET"}


@dataclass(slots=True)
class Opening:
    """A token, the parameters it stands for, and the application that asked."""

    token: str
    parameters: dict[str, Any]
    application: str
    expires_at: float
    is_used: bool = False


class FakeEditor(Fake[EditorModes]):
    """The token service with the keys of some applications."""

    vendor = "editor"
    steps: ClassVar[frozenset[str]] = frozenset({"generate", "verify", "editor"})

    def __init__(
        self,
        keys: Mapping[str, str] | None = None,
        modes: EditorModes | None = None,
        *,
        clock: Callable[[], float] = time,
        rng: Random | None = None,
        sleep: Sleep = real_sleep,
    ) -> None:
        super().__init__(modes or EditorModes(), clock=clock, rng=rng, sleep=sleep)
        self.keys = {DEMO_KEY: DEMO_APPLICATION} if keys is None else dict(keys)
        """The application's id by its access key."""
        self.openings: dict[str, Opening] = {}

    @staticmethod
    def demo_secret(token_url: str) -> dict[str, Any]:
        """Return the secret of a connection to the demo's application at *token_url*."""
        return {
            "api_key": DEMO_KEY,
            "token_url": token_url,
            "editor_url": f"{token_url}/editor?locale=en#sheet",
            "parameters": {"userId": "demo-user", "file": "demo.dwg"},
        }

    def route(self, call: Call) -> tuple[str, Handler] | None:
        """Return the step that *call* is, and who answers it."""
        match call.method, call.path:
            case "POST", "/generate":
                return "generate", self._generate
            case "GET", "/verify":
                return "verify", self._verify
            case "GET", "/editor":
                return "editor", self._editor
        return None

    def lost_way(self, call: Call) -> Answer:
        """Answer 405 where another method has this path, else 404."""
        return Answer(405 if call.path in METHODS else 404, {}, b"", "no such route")

    def without_token(self, answer: Answer) -> Answer:
        """Return *answer* without the member ``token``."""
        body = json.loads(answer.content)
        body.pop("token", None)
        return replace(answer, content=json.dumps(body).encode())

    def describe(self) -> dict[str, Any]:
        """Return the applications and the tokens that live."""
        return {
            "applications": sorted(self.keys.values()),
            "tokens": [
                {"token": one.token, "parameters": one.parameters, "expires_at": one.expires_at}
                for one in self.openings.values()
                if self._is_live(one)
            ],
        }

    def _generate(self, call: Call) -> Answer:
        application = self.keys.get(call.headers.get("x-api-key", ""))
        if application is None:
            raise self._wrong()
        parameters = self._parameters(call)
        token = uuid(self.rng)
        expires_at = int(self.now) + self.modes.lifetime
        self.openings[token] = Opening(token, parameters, application, expires_at)
        body = {"token": token, **written(self.modes.expiration_time, expires_at, self.now)}
        return self._answer(body, f"token for {application}")

    def _parameters(self, call: Call) -> dict[str, Any]:
        parameters = call.json() if call.is_json else None
        if not isinstance(parameters, dict):
            raise self._unfit("the body is not a JSON object")
        if missing := self._missing(parameters):
            raise self._unfit(f"{missing} is missing")
        if self.modes.auth == "refused" and "auth" in parameters:
            raise self._unfit("auth is not wanted")
        return parameters

    def _missing(self, parameters: Mapping[str, Any]) -> str | None:
        if self.modes.user_id == "mandatory" and not parameters.get("userId"):
            return "userId"
        if self.modes.file == "mandatory" and not {"file", "fileUrl"} & parameters.keys():
            return "file"
        if self.modes.auth == "required" and not parameters.get("auth"):
            return "auth"
        return None

    def _verify(self, call: Call) -> Answer:
        opening = self._opening(self._sent(call))
        body = dict(opening.parameters)
        if self.modes.verify_auth == "added":
            body["auth"] = opening.application
        return self._answer(body, f"verified for {opening.application}")

    def _editor(self, call: Call) -> Answer:
        opening = self._opening(call.parameter("apitoken"))
        shown = html.escape(json.dumps(opening.parameters, indent=2))
        page = f"<!DOCTYPE html><title>ARES Kudo (fake)</title><pre>{shown}</pre>"
        headers = {"Content-Type": "text/html; charset=utf-8"}
        return Answer(200, headers, page.encode(), f"opened for {opening.application}")

    def _sent(self, call: Call) -> str:
        wanted = self.modes.verify_header
        names = ("x-api-token", "x-api-key") if wanted == "either" else (wanted,)
        sent = call.headers.items() if self.modes.header_case == "any" else call.raw
        return next((value for name, value in sent if name in names), "")

    def _opening(self, token: str) -> Opening:
        opening = self.openings.get(token)
        if opening is None or not self._is_live(opening):
            raise self._wrong()
        opening.is_used = True
        return opening

    def _is_live(self, opening: Opening) -> bool:
        is_used_up = opening.is_used and self.modes.verify == "consumes"
        return not is_used_up and self.now < opening.expires_at

    def _wrong(self) -> Refused:
        return Refused(Answer(403, typed(self.modes.refusal_type), WRONG_TOKEN, "Wrong token"))

    def _unfit(self, why: str) -> Refused:
        if self.modes.missing_parameter == "403":
            return self._wrong()
        status = int(self.modes.missing_parameter)
        content = json.dumps({"message": why}).encode()
        return Refused(Answer(status, typed("json"), content, why))

    def _answer(self, body: dict[str, Any], led_to: str) -> Answer:
        if self.modes.extra == "fields":
            body |= {"version": 9, "links": {"self": "/"}}
        content = json.dumps(body, ensure_ascii=False).encode()
        return Answer(200, typed(self.modes.success_type), content, led_to)


def typed(mode: str) -> dict[str, str]:
    """Return the content type that *mode* says, if any."""
    return {"Content-Type": TYPES[mode]} if mode in TYPES else {}


def written(mode: str, expires_at: int, now: float) -> dict[str, Any]:
    """Return ``expiration_time`` in the form that *mode* says."""
    forms: dict[str, Any] = {
        "seconds": expires_at,
        "milliseconds": expires_at * 1000,
        "float": expires_at + 0.5,
        "text": str(expires_at),
        "words": "tomorrow",
        "past": int(now) - 3600,
        "zero": 0,
        "null": None,
    }
    return {"expiration_time": forms[mode]} if mode in forms else {}
