"""Every whole manifest that a page shows is one that KWatt reads; a CRD is made from the same models."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from docs.pages import DOCS, blocks
from kwatt.api.v1alpha1.inference_service import InferenceService
from kwatt.api.v1alpha1.model_profile import ModelProfile
from kwatt.api.v1alpha1.npu_class import NPUClass
from kwatt.api.v1alpha1.power_budget import PowerBudget

KINDS = {model.__name__: model for model in (InferenceService, ModelProfile, NPUClass, PowerBudget)}
GUIDES = [DOCS / folder / page for folder in ("", "ko") for page in ("admin.md", "team.md")]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(DOCS)))
def test_manifests_can_be_read(page: Path) -> None:
    texts = [block.text for block in blocks(page) if block.language == "yaml"]
    whole = [body for body in map(yaml.safe_load, texts) if "apiVersion" in body]

    assert whole
    for body in whole:
        read = KINDS[body["kind"]].model_validate(body)
        assert read.metadata.name == body["metadata"]["name"]
