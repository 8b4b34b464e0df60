"""Small scenes for the accounts: cards are n1/0, n1/1 …; watts are plain numbers, time is in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import builders as b
from kwatt.energy.accounts import Accounts, Books
from kwatt.energy.holdings import Holder, Holdings, Instant, Pool, PoolKey, Served
from kwatt.model.keys import PodKey, ServiceKey
from kwatt.model.measurements import Measured
from kwatt.model.telemetry import CardKey, CardSample, CounterSample, Readings
from kwatt.units import Power, Throughput

CAM, OCR = ServiceKey("city", "cam"), ServiceKey("city", "ocr")


def at(seconds: float) -> Instant:
    """Return the instant so many seconds after the beginning."""
    return Instant(round(seconds * 1000), b.NOW + timedelta(seconds=seconds))


def pod(name: str) -> PodKey:
    """Return a pod of the test's namespace."""
    return PodKey("city", name)


def holder(name: str, service: ServiceKey | None = CAM, watts: float = 60, npus: int = 1) -> Holder:
    """Make a ready pod that holds NPUs."""
    return Holder(pod(name), npus, b.watts(watts), service, ready=True)


def pool(*holders: Holder, npus: int = 2, idle: float = 10) -> Pool:
    """Make a pool of NPUs that draw `idle` watts where nobody holds them."""
    return Pool(npus, b.watts(idle), holders)


def holdings(*holders: Holder, npus: int = 2, **pools: Pool) -> Holdings:
    """Make holdings of node n1, and more pools by node; all nodes are under the budget `all`."""
    by_node = {"n1": pool(*holders, npus=npus), **pools}
    return Holdings(
        pools={PoolKey(node, b.ATOM): one for node, one in by_node.items()},
        budgets={"all": tuple(by_node), "rack": ("n1",)},
        classes=frozenset({b.ATOM}),
        services=dict.fromkeys((CAM, OCR), Served("images", Throughput(100 * 10**6))),
    )


def card(
    number: int, seconds: float, watts: float, *pods: str, named: bool = True, node: str = "n1"
) -> CardSample:
    """Make a sample of one card with one NPU, whose exporter names pods."""
    return CardSample(
        card=CardKey(node, b.ATOM, str(number)),
        at=round(seconds * 1000),
        power=Power(round(watts * 1000)),
        pods=tuple(pod(name) for name in pods),
        names_pods=named,
    )


def count(name: str, seconds: float, served: float, series: str = "0") -> CounterSample:
    """Make a reading of one engine's counter, in images."""
    return CounterSample(
        pod(name), series, round(seconds * 1000), "images", served=round(served * 10**6)
    )


class Meter:
    """Accounts, told of rounds of samples one after the other."""

    def __init__(self, scene: Holdings, books: Books | None = None, begun: float = 0) -> None:
        self.scene = scene
        self.accounts = Accounts(books or Books(), at(begun))
        self.now = at(begun)

    def take(self, *samples: CardSample | CounterSample, seconds: float) -> Meter:
        """Take a round at a time."""
        self.now = at(seconds)
        cards = tuple(one for one in samples if isinstance(one, CardSample))
        counters = tuple(one for one in samples if isinstance(one, CounterSample))
        self.accounts.take(Readings(cards=cards, counters=counters), self.scene, self.now)
        return self

    def steady(self, times: Iterable[float], watts: float = 50, name: str = "a") -> Meter:
        """Take the first card, held by a pod, at each of the times, and an idle second one."""
        for seconds in times:
            self.take(card(0, seconds, watts, name), card(1, seconds, 10), seconds=seconds)
        return self

    def service(self, key: ServiceKey = CAM) -> Measured:
        """Return what is measured of a service."""
        return self.accounts.measurements(self.now).services[key]

    def budget(self, name: str = "all") -> Measured:
        """Return what is measured under a budget."""
        return self.accounts.measurements(self.now).budgets[name]

    def npu_class(self) -> Measured:
        """Return what is measured of the class."""
        return self.accounts.measurements(self.now).classes[b.ATOM]
