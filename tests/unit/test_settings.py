"""Settings: the environment in, a sentence out where it makes no sense."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocrfarm.errors import SettingsError
from ocrfarm.settings import Endpoints, ImageLimits, Settings, TaskLimits

_PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    st.builds(
        Endpoints, broker=st.sampled_from(["", "redis://host:6379/0", "redis+socket:///run/a.sock"]), store=_PATHS
    ),
    st.builds(ImageLimits, limit_pixels=st.integers(0, 10**12)),
    st.builds(TaskLimits, batch_pixels=st.integers(1, 10**9), max_attempts=st.integers(1, 9)),
)
def test_children_get_the_same_settings(endpoints: Endpoints, limits: ImageLimits, task_limits: TaskLimits) -> None:
    settings = Settings(endpoints, limits, task_limits)
    assert Settings.from_env(settings.to_env()) == settings


def test_nothing_set_means_the_defaults() -> None:
    assert Settings.from_env({"PATH": "/bin"}) == Settings()


def test_no_group_has_more_than_eight_fields() -> None:
    assert all(len(fields(group)) <= 8 for group in (Endpoints, ImageLimits, TaskLimits))


def test_only_limits_that_were_set_are_given_on() -> None:
    assert Settings.from_env({"OCRFARM_LIMIT_PIXELS": "1_000"}).limits.overrides == {"pixels": 1000}


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OCRFARM_BROKR", "redis://x", "OCRFARM_BROKER"),
        ("OCRFARM_WHATEVER", "1", "OCRFARM_STORE"),
        ("OCRFARM_BROKER", "amqp://x", "redis://"),
        ("OCRFARM_BROKER", "localhost:6379", "redis://"),
        ("OCRFARM_BATCH_PIXELS", "many", "whole number"),
        ("OCRFARM_BATCH_PIXELS", "0", "whole number"),
        ("OCRFARM_MAX_ATTEMPTS", "-1", "whole number"),
        ("OCRFARM_MAX_ATTEMPTS", "1.5", "whole number"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_hint(variable: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: value})
    assert variable in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
