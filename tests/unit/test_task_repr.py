"""What people see of a message: always short, never an error, and the job can be found in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.farm import protocol
from ocrfarm.farm.celery_app import describe_args, make_app
from ocrfarm.settings import Endpoints, Settings
from ocrfarm.tile import TileId

JOB = protocol.new_job_id()
IDS = st.builds(
    TileId, page_index=st.integers(0, 2000), level=st.integers(0, 3), row=st.integers(0, 99), col=st.integers(0, 99)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(IDS, min_size=1, max_size=200))
def test_a_batch_is_short_and_names_its_job(tiles: list[TileId]) -> None:
    text = describe_args(protocol.batch_args(JOB, tiles))
    assert JOB in text
    assert f"page {tiles[0].page_index + 1}" in text
    assert len(text) < 100


@given(JSON)
def test_whatever_a_message_holds_is_shown(args: object) -> None:
    assert isinstance(describe_args(args), str)
    assert isinstance(describe_args([JOB, args]), str)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([JOB], f"job {JOB}"),
        ((JOB,), f"job {JOB}"),
        ([JOB, ["p0002-l0-r0001-c0012"]], f"page 3, tile r01c12, job {JOB}"),
        (
            [JOB, ["p0000-l1-r0000-c0000", "p0000-l1-r0000-c0001"]],
            f"page 1 level 1, 2 tiles r00c00 to r00c01, job {JOB}",
        ),
        ([JOB, ["p0001-l0-r0000-c0003-qx"]], f"page 2, 1 regions, second pass, job {JOB}"),
        ([JOB, ["x", "y"]], f"2 tiles, job {JOB}"),
        ([], ""),
    ],
)
def test_arguments_are_described_in_words(args: object, text: str) -> None:
    assert describe_args(args) == text


def test_a_message_keeps_its_arguments_and_says_when_it_was_sent() -> None:
    app = make_app(Settings(Endpoints("redis://localhost/0")))
    message = app.amqp.as_task_v2("id", protocol.SPLIT, (JOB,), {})
    assert message.body[0] == (JOB,)
    assert message.headers["argsrepr"] == f"job {JOB}"
    assert message.headers[protocol.SENT_HEADER] > 0
