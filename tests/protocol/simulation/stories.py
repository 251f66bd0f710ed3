"""The story of a run, for a person to read: time, Lambda, step."""

from tests.protocol.simulation.judge import Judge
from tests.protocol.simulation.plans import Plan
from tests.protocol.simulation.scheduler import EPOCH
from tests.protocol.simulation.wire import told


def story(judge: Judge) -> str:
    """Return what happened, line by line."""
    lines = [plan_told(judge.plan)]
    lines += [f"{at - EPOCH:10.3f}  {who:<16} {what}" for at, who, what in judge.trace]
    return "\n".join(lines)


def plan_told(plan: Plan) -> str:
    """Return what was decided beforehand."""
    lines = [f"seed {plan.seed}: {plan.flow}, tokens live {plan.lifetime} s, {dict(plan.modes)}"]
    lines.append("clocks ahead by " + ", ".join(f"{offset:.1f}" for offset in plan.offsets) + " s")
    lines += [f"  {f.visit} step {f.step}: {told(f)}" for f in plan.faults]
    lines += [f"  {o.service} is down from {o.begins:.1f} to {o.ends:.1f}" for o in plan.outages]
    lines += [f"  {c.kind} at {c.at:.1f}, events after {list(c.events)}" for c in plan.changes]
    return "\n".join(lines)
