"""Names that KWatt writes on its pods, copied: fakenpu reads them but does not import kwatt."""

from __future__ import annotations

from typing import Final

API_GROUP: Final = "kwatt.dev"
SERVICE_LABEL: Final = "kwatt.dev/service"
CLASS_LABEL: Final = "kwatt.dev/npu-class"
NPUS_LABEL: Final = "kwatt.dev/npus"
