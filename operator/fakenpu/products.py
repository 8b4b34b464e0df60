"""NPU products: how a node shows that it has them, which exporter they have, what they draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Dialect(StrEnum):
    """The exporters that are imitated."""

    FURIOSA = "furiosa"
    WARBOY = "warboy"
    REBELLIONS = "rebellions"
    MOBILINT = "mobilint"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True)
class Product:
    """One NPU product. Milliwatts are of one device (unit of the resource), `devices_per_card` share a card.

    `nodes` are the label values that show it on a node. `refresh` is how often its exporter reads the card,
    in milliseconds; 0 reads on each scrape.
    """

    name: str
    dialect: Dialect
    model: str
    resources: tuple[str, ...]
    nodes: Mapping[str, tuple[str, ...]]
    idle: int
    maximum: int
    devices_per_card: int = 1
    refresh: int = 0
    device_id: str = "0000"
    memory_bytes: int = 16 * 10**9

    def is_on(self, labels: Mapping[str, str]) -> bool:
        """Return whether a node with these labels carries it."""
        return all(labels.get(key) in values for key, values in self.nodes.items())


_REBELLIONS: Final = ("rebellions.ai/npu", "rebellions.ai/ATOM")


def _rebellions(name: str, model: str, device_id: str, idle: int, maximum: int) -> Product:
    return Product(
        name=name,
        dialect=Dialect.REBELLIONS,
        model=model,
        resources=_REBELLIONS,
        nodes={"rebellions.ai/npu.product": (model,)},
        idle=idle,
        maximum=maximum,
        devices_per_card=4 if model == "RBLN-CA25" else 1,
        refresh=5_000,  # RBLN-SW/rbln-metrics-exporter README: --interval, 5 s by default
        device_id=device_id,
        memory_bytes=16_877_882_368,  # of one device, sample in that README
    )


# Idle and maximum are those of the NPUClasses in examples/10-classes, whose `source` says where each is from.
PRODUCTS: Final = (
    Product(
        name="furiosa-rngd",
        dialect=Dialect.FURIOSA,
        model="rngd",
        resources=("furiosa.ai/rngd",),
        nodes={"furiosa.ai/npu.product": ("rngd",)},
        idle=38_670,
        maximum=290_930,
        refresh=10_000,  # furiosa-npu-operator 2026.1.0: collectInterval 10
        memory_bytes=48 * 10**9,
    ),
    Product(
        name="furiosa-warboy",
        dialect=Dialect.WARBOY,
        model="warboy",
        resources=("furiosa.ai/warboy", "beta.furiosa.ai/npu", "alpha.furiosa.ai/npu"),
        nodes={"beta.furiosa.ai/npu.product": ("warboy", "warboyB0")},
        idle=21_400,  # assumption, as in the example class
        maximum=60_000,
        refresh=10_000,  # assumption: as the newer exporter
    ),
    _rebellions("rebellions-atom-ca12", "RBLN-CA12", "1120", 21_400, 85_000),
    _rebellions("rebellions-atom-plus", "RBLN-CA22", "1220", 19_440, 68_730),
    _rebellions("rebellions-atom-max", "RBLN-CA25", "1250", 11_300, 87_500),
    Product(
        name="mobilint-aries-mla100",
        dialect=Dialect.MOBILINT,
        model="mla100",
        resources=("mobilint.com/npu",),
        nodes={"mobilint.com/npu.present": ("true",)},
        idle=15_440,
        maximum=25_000,
        memory_bytes=17_179_869_184,
    ),
    Product(
        name="sapeon-x220",
        dialect=Dialect.GENERIC,
        model="x220-compact",
        resources=("example.com/sapeon-x220",),
        nodes={"example.com/npu.product": ("sapeon-x220",)},
        idle=21_400,  # assumption, as in the example class
        maximum=65_000,
        memory_bytes=8 * 10**9,
    ),
)
BY_NAME: Final[Mapping[str, Product]] = {product.name: product for product in PRODUCTS}


def product_on(labels: Mapping[str, str], products: Iterable[Product] = PRODUCTS) -> Product | None:
    """Return the product that a node with these labels carries, None where there is none."""
    return next((product for product in products if product.is_on(labels)), None)
