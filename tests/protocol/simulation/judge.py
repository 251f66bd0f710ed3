"""The judge: records a run, and checks the protocol's invariants at each step.

`history` has the facts. The checks are functions of them:

* `writes`: each write to the table (I2, I3, I5, I8, I9, I15)
* `origins`: the version of the secret behind each request and each write (I11, I12)
* `operators`: DELETE and holds (I15, I16)
* `answers`: each answer to a caller (I2, I4, I5, I8, I9, I12, I13, I14, I17)
* `checking`: each answer of a check
* `excuses`: how long a fault may affect others, and the back-offs (I5, I13)
* `verdict`: after the run, when all faults have ended (I4, I5, I6, I7, I10, I11)
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.protocol.replay.replay import Replay
from tests.protocol.simulation import answers, checking, excuses, operators, origins, writes
from tests.protocol.simulation.history import Credential, History, Made, Update
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.plans import Change, Setting
from tests.protocol.simulation.table import Place, Record
from token_broker.exchange import Response
from token_broker.tokens import ONLY, fingerprint


@dataclass(eq=False)
class Judge(History):
    """Is told each step of a run by the simulated world."""

    replay: Replay | None = None
    """The model beside the run."""

    # Invocations

    def began(self, invocation: Invocation) -> None:
        self.note_step(invocation, f"begins: {dict(invocation.event)}")
        if invocation.action == "forget":
            operators.find_sessions(self, invocation)
        if invocation.action in ("forget", "rotate"):
            self.operations.append(invocation)
        if rejected := invocation.event.get("rejected"):
            self.reported.add(rejected)
            self.caller_reports.add(rejected)
        if invocation.is_plain:
            invocation.usable_at_begin = answers.live_item(self, invocation)
        if "min_ttl" in invocation.event:
            body, setting = self.body_of(invocation.event), list(self.settings.values())[-1]
            keys = self.vendor.wanted(body, setting, self.now)
            items = [one for one in self.items() if one.variant in keys]
            ends = [one.expires_at for one in items if one.fingerprint in self.made]
            invocation.life_at_begin = max(ends, default=0) - self.now

    def ended(self, invocation: Invocation) -> None:
        """Check the result of an invocation."""
        shown = invocation.answer.get("code") or invocation.answer.get("source") or ""
        self.note_step(invocation, f"{invocation.end} {shown}".rstrip())
        self.answered.append(invocation)
        if invocation.name.startswith("event"):
            self.event_invocations.append(invocation)
        if invocation.action == "forget":
            self.forgotten += 1
            operators.check_delete(self, invocation)
        operators.check_answer_amid_hold(self, invocation)
        checking.check_no_token(self, invocation)
        if invocation.action == "check":
            checking.check_verification(self, invocation)
        excuses.record_harm(self, invocation)
        excuses.record_backoff(self, invocation)
        if self.replay:
            self.replay.ended(invocation)
        answers.check_answer(self, invocation)

    # The vendor

    def sent(self, invocation: Invocation, sent: Sent) -> None:
        """Check a request when it is sent."""
        self._check_lease(invocation, sent, "is sent")
        origins.check_origin(self, invocation, sent)
        operators.check_sent_amid_hold(self, invocation, sent)
        excuses.check_sent_amid_backoff(self, invocation)
        if self.replay:
            self.replay.sent(invocation, sent)

    def processed(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        """Record the vendor's effect, and check that the sender still holds the lease."""
        self._check_lease(invocation, sent, "is processed")
        if response.status in (401, 403) or (sent.bearer and self._is_dead(sent.bearer)):
            self.reported.add(fingerprint(sent.bearer or ""))
        if sent.credential is not None:
            self._logged_in(invocation, sent, response)
        origins.record_origins(self, invocation, sent, response)
        if invocation.verifies(sent):
            checking.record_verification(self, invocation, sent, response)
        token = next(iter(self.vendor.tokens(response)), None) if sent.key else None
        self.note_step(invocation, f"  {sent.step} answered with {response.status}")
        if token and sent.key:
            name, number = fingerprint(token), len(self.made)
            made = Made(number, name, sent.key, token, invocation, self.now, invocation.step)
            self._check_maker(made)
            self._check_twice(made)
            excuses.check_repeated(self, made)
            if name in self.made:
                self.reissued_at[name] = self.now
            self.made.add(made)
            self.note_step(invocation, f"  makes {name[:6]} of {sent.key[:8]}")

    def _is_dead(self, token: str) -> bool:
        """Return whether the vendor refuses *token*: some refuse it with 200."""
        return self.vendor.is_ended(token) or self.vendor.ends_at(token) <= self.now

    def _logged_in(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        credential = self.credentials[sent.credential or ""]
        if sent.credential not in self.valid:
            credential.refused.append((invocation, sent))
        elif (
            invocation.is_bad
            and not response.is_success
            and (self.forgotten or not credential.was_accepted)
        ):
            credential.strangers.append(invocation)
        else:
            credential.was_accepted = True

    def _check_lease(self, invocation: Invocation, sent: Sent, what: str) -> None:
        """I1: the sender of a request holds the lease of its variant; a login's, any lease."""
        if sent.key is None and sent.credential is None:
            return
        if self.is_unshared(invocation.version):
            return
        keys = [sent.key] if sent.key else [key for _, key in self.table.records]
        records = [self.table.get((self.partition, key)) or {} for key in keys]
        if not any(invocation.owns(r["lease_owner"]["S"]) for r in records if "lease_owner" in r):
            text = f"{invocation.name}: {sent.step} {what} without holding the lease"
            self.violate("I1", text)

    def _check_maker(self, made: Made) -> None:
        """I17: a request for a nonexistent variant does not replace a live token."""
        invocation, earlier = made.maker, self.made.of(made.key)
        if not invocation.is_bad or not earlier:
            return
        last = earlier[-1]
        was_live = last.name in self.kept and self.vendor.ends_at(last.token) > self.now + 60
        is_current = not self.versions_of(last).isdisjoint(invocation.read)
        is_doubtful = last.name in self.caller_reports or self.revoked_at > last.at
        is_forgotten = self.item(made.key).fingerprint != last.name and any(
            one.action == "forget" and (one.ended is None or one.ended > last.at)
            for one in self.operations
        )
        if was_live and is_current and not is_doubtful and not is_forgotten:
            self.violate("I17", f"{invocation.name} replaces the live token of {made.key[:8]}")

    def _check_twice(self, made: Made) -> None:
        """I5: an invocation makes at most one token of a variant per version of the secret."""
        invocation = made.maker
        is_other = len({*invocation.read}) > 1 or self.is_unshared(invocation.version)
        for one in self.made.of(made.key):
            # A token that was rejected, revoked or removed by a DELETE since may be replaced.
            is_gone = one.name in self.reported | self.deleted
            is_gone |= self.vendor.ends_at(one.token) < made.at + 60
            is_allowed = is_gone or is_other or self.revoked_at > one.at
            if one.maker is invocation and not is_allowed:
                self.violate("I5", f"{invocation.name} makes a token of {made.key[:8]} twice")

    # The table

    @property
    def _actor(self) -> Invocation:
        actor = self.wire.acting
        if actor is None:
            raise LookupError("no invocation is acting")
        return actor

    def written(self, place: Place, before: Record | None, after: Record) -> None:
        update = Update(self._actor, place, before or {}, after)
        writes.check_write(self, update)
        origins.check_versions(self, update)
        operators.check_hold_write(self, update)
        operators.find_removed_session(self, update)
        if self.replay:
            self.replay.written(update)

    def looked(self, place: Place, record: Record | None) -> None:
        """Record a read of an invocation, also in the replay."""
        reader = self._actor
        reader.saw(place[1], self.item(place[1], record or {}).generation)
        if place[1] == ONLY:
            reader.looked_at = self.now
        if self.replay:
            self.replay.read(reader, place, record)

    def refused(self, place: Place, changes: str) -> None:
        """Pass a conditional write that failed to the replay."""
        if self.replay:
            self.replay.refused(self._actor, place, changes)

    def dropped(self, place: Place, record: Record) -> None:
        """Check that an item which the table dropped by its `ttl` was no longer needed."""
        writes.check_drop(self, place[1], record)

    # The world

    def refresh_started(self, invocation: Invocation, payload: Mapping[str, Any]) -> None:
        """Count a background refresh that a caller starts."""
        if invocation.action == "token":
            self.refreshes_started[payload.get("variant", "")] += 1

    def announced(self, what: str, detail: Mapping[str, Any]) -> bool:
        """Record an event that was sent to the bus."""
        self.note_step(self.wire.current, f"  sends event: {what}")
        match what:
            case "Connection Latched" | "Connection Recovered":
                self.latch_events.append((self.now, what, str(detail["secret_version"])))
            case "Upstream Down" | "Upstream Up":
                self.outage_events.append((self.now, what, str(detail["since"])))
                if not self.wire.current.sent:
                    self.violate("outage", f"{what} is sent by a call that sent no request")
            case "Connection Held" | "Connection Lifted":
                pass  # `check_hold_write` checks the writes
            case _:
                self.token_events[str(detail["fingerprint"])] += 1
        return True

    def changed(self, change: Change) -> None:
        self.trace.append((self.now, "world", change.kind))
        if change.kind == "revoked":
            self.revoked_at = self.now
        if change.kind == "other role":
            self.roles_at = self.now

    def put(self, version: str, setting: Setting) -> None:
        credential = self.credentials.setdefault(setting.credential, Credential())
        credential.versions.append(version)
        self.settings[version] = setting
        self.put_at[version] = self.now
        self.trace.append((self.now, "world", f"{version} is the secret: {setting}"))

    def defect(self, error: Exception, request_id: str) -> None:
        """Record an exception that is not a documented error."""
        lines = traceback.format_exception(error)
        self.violate("errors", f"a defect in {request_id}: {''.join(lines[-3:])}")
