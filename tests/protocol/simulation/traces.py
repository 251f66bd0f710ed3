"""The readable trace of a run: time, actor, step."""

import re

from tests.protocol.simulation.judge import Judge
from tests.protocol.simulation.plans import Plan
from tests.protocol.simulation.scheduler import EPOCH
from tests.protocol.simulation.wire import fault_text

TOKEN = frozenset({"kind", "token", "fingerprint", "context"})
TIMES = frozenset({"issued_at", "expires_at", "refresh_at"})
"""Attributes of a token, which a trace does not list one by one."""


def trace_of(judge: Judge) -> str:
    """Return the plan and the trace of a run, a line for each step."""
    lines = plan_lines(judge.plan)
    lines += [f"{at - EPOCH:10.3f}  {who:<16} {shown(what)}" for at, who, what in judge.trace]
    return "\n".join(lines)


def shown(what: str) -> str:
    """Return a step with the names of the attributes that it sets and removes."""
    begins, found, changes = what.partition(" SET ")
    if not found:
        return what
    setting, removing = (re.findall(r"#(\w+)", part) for part in changes.partition(" REMOVE ")[::2])
    is_token = {"token", "fingerprint"} <= {*setting}
    names = ["a token"] if is_token else []
    names += [
        name for name in setting if name != "schema" and not (is_token and name in TOKEN | TIMES)
    ]
    names += [f"-{name}" for name in removing if not is_token]
    return f"{begins} {', '.join(names)}"


def plan_lines(plan: Plan) -> list[str]:
    lines = [f"seed {plan.seed}: {plan.flow}, tokens live {plan.lifetime} s, {dict(plan.modes)}"]
    lines.append("clocks ahead by " + ", ".join(f"{offset:.1f}" for offset in plan.offsets) + " s")
    lines += [f"  {f.visit} step {f.step}: {fault_text(f)}" for f in plan.faults]
    for outage in plan.outages:
        what = "denies" if outage.is_denied else "is down"
        lines.append(f"  {outage.service} {what} from {outage.begins:.1f} to {outage.ends:.1f}")
    for change in plan.changes:
        notices = ", ".join(f"{n.kind} after {n.after:.1f} s" for n in change.notices) or "never"
        lines.append(f"  {change.kind} at {change.at:.1f}, events {notices}")
    return lines
