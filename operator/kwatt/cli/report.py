"""What the table tells of each service: a plan beside the snapshot that it was made from. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from kwatt.model.keys import ServiceKey
from kwatt.model.npu import Basis
from kwatt.model.plan import Placement, Plan
from kwatt.model.snapshot import Service, Snapshot
from kwatt.observation.values import Invalid, Notice
from kwatt.units import NO_POWER, NO_THROUGHPUT, Power, Throughput


class State(Enum):
    """How a service fares."""

    PLACED = "placed"
    PARTLY = "partly"
    NOT_PLACED = "unplaced"
    HELD = "held"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Group:
    """All replicas of a service of one class, size and operating point."""

    npu_class: str
    npus: int
    operating_point: str
    replicas: int
    rate: Throughput
    planned: Power
    reserved: Power
    assumed: bool


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service: what it wants, what it gets, in groups."""

    key: ServiceKey
    state: State
    unit: str
    wanted: Throughput | None
    groups: tuple[Group, ...]

    @property
    def served(self) -> Throughput:
        """The rate of all groups."""
        return sum((group.rate for group in self.groups), NO_THROUGHPUT)


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told of one plan."""

    snapshot: Snapshot
    plan: Plan
    invalid: tuple[Invalid, ...] = ()
    notices: tuple[Notice, ...] = ()

    def services(self) -> Iterator[ServiceReport]:
        """Tell of every service by name, also of those that can't be planned."""
        placements = _by_service(self.plan.placements)
        short = {unplaced.service for unplaced in self.plan.unplaced}
        known = {service.key: service for service in self.snapshot.services}
        broken = {
            ServiceKey(one.namespace, one.name)
            for one in self.invalid
            if one.kind == "InferenceService"
        }
        for key in sorted(known.keys() | broken):
            rows = placements.get(key, ())
            yield self._service(key, known.get(key), rows, is_short=key in short)

    def _service(
        self,
        key: ServiceKey,
        service: Service | None,
        placements: Iterable[Placement],
        *,
        is_short: bool,
    ) -> ServiceReport:
        groups = tuple(self._groups(service, placements))
        profile = self.snapshot.profiles.get(service.model) if service else None
        return ServiceReport(
            key=key,
            state=_state(service, groups, is_short=is_short),
            unit=profile.unit if profile else "",
            wanted=service.target if service and service.target > NO_THROUGHPUT else None,
            groups=groups,
        )

    def _groups(self, service: Service | None, placements: Iterable[Placement]) -> Iterator[Group]:
        rows: defaultdict[tuple[str, int, str], list[Placement]] = defaultdict(list)
        for one in placements:
            rows[one.variant.npu_class, one.variant.npus, one.operating_point].append(one)
        for (npu_class, npus, point), alike in sorted(rows.items()):
            yield Group(
                npu_class=npu_class,
                npus=npus,
                operating_point=point,
                replicas=sum(one.replicas for one in alike),
                rate=sum((one.rate for one in alike), NO_THROUGHPUT),
                planned=sum((one.planned for one in alike), NO_POWER),
                reserved=sum((one.reserved for one in alike), NO_POWER),
                assumed=self._is_assumed(service, npu_class, npus, point),
            )

    def _is_assumed(self, service: Service | None, name: str, npus: int, point: str) -> bool:
        """Tell whether the class's figures or the point's are assumptions."""
        npu_class = self.snapshot.classes.get(name)
        profile = self.snapshot.profiles.get(service.model) if service else None
        bases = [npu_class.basis] if npu_class else []
        for one in profile.points if profile else ():
            if (one.npu_class, one.npus, one.name) == (name, npus, point):
                bases.append(one.basis)
        return Basis.ASSUMPTION in bases


def per_joule(groups: Iterable[Group]) -> Fraction | None:
    """Return units per joule: rate over planned watts; None where nothing is drawn."""
    groups = tuple(groups)
    milliwatts = sum(group.planned.milliwatts for group in groups)
    micros = sum(group.rate.micros for group in groups)
    return Fraction(micros, 1000 * milliwatts) if milliwatts else None


def _by_service(placements: Iterable[Placement]) -> Mapping[ServiceKey, list[Placement]]:
    rows: defaultdict[ServiceKey, list[Placement]] = defaultdict(list)
    for placement in placements:
        rows[placement.service].append(placement)
    return rows


def _state(service: Service | None, groups: tuple[Group, ...], *, is_short: bool) -> State:
    if service is None:
        return State.INVALID
    if service.held is not None:
        return State.HELD
    if is_short:
        return State.PARTLY if groups else State.NOT_PLACED
    return State.PLACED
