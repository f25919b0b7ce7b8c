"""Fixtures of more than one module."""

import pytest

from tests.support.in_process_farm import InProcessFarm, make_in_process_farm
from tests.support.servers import ValkeyServer


@pytest.fixture
def in_process_farm(valkey_server: ValkeyServer) -> InProcessFarm:
    return make_in_process_farm(valkey_server)
