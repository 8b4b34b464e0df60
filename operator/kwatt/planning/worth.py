"""Worth: what more watts under each budget would do: whom they would serve, else what they would save."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final, NamedTuple

from kwatt.model.keys import ServiceKey
from kwatt.model.plan import Figure, Gain, Plan, Unplaced, Worth
from kwatt.model.snapshot import Service, Snapshot
from kwatt.units import NO_POWER, Throughput, nearest, plain

MOST_REPLANNED: Final = 2000  # services in all plans together that are made to try claims
MOST_TRIED: Final = 3  # claims on one budget that are tried so
LEAST_SAVING: Final = Fraction(1, 100)  # watts for one more watt; less is not worth a word

Saved = Mapping[str, Fraction]  # by budget: the watts that one more watt of its cap would save


class _Claim(NamedTuple):
    """A service that is short, and the least raise of a budget that serves it more."""

    service: Service
    unplaced: Unplaced
    gain: Gain


def with_worth(plan: Plan, snapshot: Snapshot) -> Plan:
    """Return the plan with what more watts would serve, from what was tried for those that are short."""
    claims = _claims(plan, snapshot)
    return _told(plan, {n: _serving(c[0], snapshot) for n, c in claims.items()})


def with_proven_worth(
    plan: Plan, snapshot: Snapshot, replan: Callable[[Snapshot], Plan], saved: Saved
) -> Plan:
    """Return the plan with what more watts would serve, each tried by planning all again, or save.

    No more services than MOST_REPLANNED are planned again; claims beyond are told as they are.
    `saved` are the prices of budgets that a solver found.
    """
    worths = {n: _saving(price) for n, price in saved.items() if price >= LEAST_SAVING}
    left = MOST_REPLANNED // max(1, len(snapshot.services))
    for name, claims in _claims(plan, snapshot).items():
        tried = claims[: min(left, MOST_TRIED)]
        left -= len(tried)
        after = ((c, replan(_raised(snapshot, c.gain))) for c in tried)
        true = (found for c, then in after if (found := _confirmed(c, plan, then, snapshot)))
        claim = next(true, None) if tried else claims[0]
        if claim is not None:
            worths[name] = _serving(claim, snapshot)
    return _told(plan, worths)


def _told(plan: Plan, worths: Mapping[str, Worth]) -> Plan:
    if not worths:
        return plan
    uses = (replace(use, worth=worths.get(use.name)) for use in plan.budgets)
    return replace(plan, budgets=tuple(uses))


def _claims(plan: Plan, snapshot: Snapshot) -> dict[str, Sequence[_Claim]]:
    """Return the claims on each budget, the least raise first: who could use less stands before."""
    if not any(unplaced.gains for unplaced in plan.unplaced):
        return {}
    services = {service.key: service for service in snapshot.services}
    found: dict[str, list[_Claim]] = {}
    for unplaced in plan.unplaced:
        for gain in unplaced.gains:
            claim = _Claim(services[unplaced.service], unplaced, gain)
            found.setdefault(gain.budget, []).append(claim)
    return {name: sorted(found[name], key=_order) for name in sorted(found)}


def _order(claim: _Claim) -> tuple[bool, int, int, bool, ServiceKey]:
    """Put the least raise first, and of equals whom the planner serves first: in a level all before parts."""
    service, gain = claim.service, claim.gain
    in_part = gain.more < claim.unplaced.shortfall
    return bool(gain.beside), gain.power.milliwatts, -service.priority, in_part, service.key


def _raised(snapshot: Snapshot, gain: Gain) -> Snapshot:
    more = {gain.budget: gain.power, **dict(gain.beside)}
    budgets = (replace(b, cap=b.cap + more.get(b.name, NO_POWER)) for b in snapshot.budgets)
    return replace(snapshot, budgets=tuple(budgets))


def _confirmed(claim: _Claim, before: Plan, after: Plan, snapshot: Snapshot) -> _Claim | None:
    """Return what the raise did serve more, at best to whom it was said; None if nobody or another less."""
    was, now = _short(before.unplaced), _short(after.unplaced)
    more = {u.service: was[u.service] - now.get(u.service, 0) for u in before.unplaced}
    services = {s.key: s for s in snapshot.services if more.get(s.key, 0) > 0}
    if not services or any(short > was.get(key, 0) for key, short in now.items()):
        return None
    claimed = claim.service.key
    first = min(services.values(), key=lambda s: (s.key != claimed, -s.priority, s.key))
    gain = replace(claim.gain, more=Throughput(more[first.key]))
    return _Claim(first, next(u for u in before.unplaced if u.service == first.key), gain)


def _short(unplaced: Iterable[Unplaced]) -> dict[ServiceKey, int]:
    return {one.service: one.shortfall.micros for one in unplaced}


def _serving(claim: _Claim, snapshot: Snapshot) -> Worth:
    service, gain, short = claim.service, claim.gain, claim.unplaced.shortfall
    profile = snapshot.profiles.get(service.model)
    unit = f"{profile.unit if profile else 'units'}/s"
    rate, part, of = plain(gain.more.micros, 10**6), "", ""
    if gain.more < short:
        part, of = " in part", f" of {plain(short.micros, 10**6)}"
    beside = "".join(f", with +{power} on {name}" for name, power in gain.beside)
    comma = "," if beside else ""
    figures: dict[str, Figure] = {
        "watts": gain.power.milliwatts // 1000,
        "service": str(service.key),
        "perSecond": gain.more.per_second,
        "unit": unit,
    }
    if gain.beside:
        figures["besideBudgets"] = tuple(name for name, _ in gain.beside)
        figures["besideWatts"] = tuple(power.milliwatts // 1000 for _, power in gain.beside)
    message = (
        f"+{gain.power}{beside}{comma} would serve {service.key}{part} ({rate}{of} {unit} more)"
    )
    return Worth(message, figures)


def _saving(price: Fraction) -> Worth:
    hundredths = nearest(price * 100)
    return Worth(
        f"one more watt would save about {plain(hundredths, 100)} W of draw",
        {"watts": 1, "savedWatts": hundredths / 100},
    )
