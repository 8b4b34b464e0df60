"""Trials of one change: what a service could be with it. The service must hold nothing in the draft."""

from __future__ import annotations

from kwatt.model.plan import Rejection, Relaxation
from kwatt.model.snapshot import Service
from kwatt.planning.draft import Draft
from kwatt.planning.options import Option

Trial = Relaxation | None  # None: tried, and not enough


def options_on(draft: Draft, service: Service, rejection: Rejection) -> list[Option]:
    """Return the options on the rejected class of a service that may differ from the snapshot's."""
    return [o for o in draft.options_of(service) if o.variant.npu_class == rejection.npu_class]


def whole_options(draft: Draft, service: Service, rejection: Rejection) -> list[Option]:
    """Return the options on the rejected class that could serve the whole target.

    A service that mixes may be less than the one in the snapshot: what is still needed of it.
    """
    options = draft.options_of(service) if service.mixes else draft.options(service)
    return [
        option
        for option in options
        if option.variant.npu_class == rejection.npu_class and option.counts
    ]
