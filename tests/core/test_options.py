"""What options accept, and the sentences with which they refuse."""

import math
from typing import Any, Literal

import pytest
from pydantic import Field, model_validator

from impasto.core.errors import OptionError
from impasto.core.options import Options, accepts, build
from impasto.methods import load, names


class Kinds(Options):
    """One field of every kind."""

    share: float = Field(0.5, ge=0, le=1)
    rate: float = Field(0.1, gt=0)
    below: float = Field(0.1, gt=0, lt=10)
    count: int = Field(3, ge=1)
    free: int = 3
    maybe: float | None = Field(None, ge=0.5)
    word: str = "a"
    file: str | Options = "a"
    choice: Literal["red", "blue"] = "red"
    choice_or_none: Literal["red", "blue"] | None = None
    flag: bool = False
    numbers: tuple[float, ...] = ()
    layers: tuple[str, ...] | None = None
    counts: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "Kinds":
        if self.free == 13:
            raise ValueError("free and count must differ by less than 10")
        return self


WORDS = {
    "share": "a number from 0 to 1",
    "rate": "a number above 0",
    "below": "a number above 0 and below 10",
    "count": "a whole number at least 1",
    "free": "a whole number",
    "maybe": "a number at least 0.5",
    "word": "a word",
    "file": "a word",
    "choice": "one of red, blue",
    "choice_or_none": "one of red, blue",
    "flag": "yes or no",
    "numbers": "a list of numbers",
    "layers": "a list of words",
    "counts": "a list of whole numbers",
}


@pytest.mark.parametrize("name", Kinds.model_fields)
def test_every_kind_of_field_says_in_words_what_it_takes(name: str) -> None:
    assert accepts(Kinds.model_fields[name]) == WORDS[name]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"share": 1.5}, "share must be a number from 0 to 1; got 1.5"),
        ({"share": math.nan}, "share must be a number from 0 to 1; got nan"),
        ({"rate": math.inf}, "rate must be a number above 0; got inf"),
        ({"below": 10}, "below must be a number above 0 and below 10; got 10"),
        ({"count": 2.5}, "count must be a whole number at least 1; got 2.5"),
        ({"count": "many"}, "count must be a whole number at least 1; got 'many'"),
        ({"choice": "green"}, "choice must be one of red, blue; got 'green'"),
        ({"choice_or_none": "green"}, "choice_or_none must be one of red, blue; got 'green'"),
        ({"flag": "perhaps"}, "flag must be yes or no; got 'perhaps'"),
        ({"word": 3}, "word must be a word; got 3"),
        ({"numbers": 3}, "numbers must be a list of numbers; got 3"),
        ({"numbers": (1, math.nan)}, "numbers must be a list of numbers; got nan"),
        ({"layers": "relu1_1"}, "layers must be a list of words; got 'relu1_1'"),
        ({"free": 13}, "free and count must differ by less than 10"),
        (
            {"shrae": 1},
            f"there is no option shrae; the options are {', '.join(Kinds.model_fields)}",
        ),
    ],
)
def test_a_refusal_is_one_sentence_with_what_is_accepted(
    values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(OptionError) as refusal:
        build(Kinds, values)
    assert str(refusal.value) == sentence


def test_loose_words_become_values() -> None:
    loose = {"share": "0.25", "count": "7", "flag": "yes", "numbers": ["1", "2.5"], "maybe": "1"}
    built = build(Kinds, loose)
    assert (built.share, built.count, built.flag, built.maybe) == (0.25, 7, True, 1.0)
    assert built.numbers == (1.0, 2.5)


def test_options_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Kinds(), "share", 0.1)  # noqa: B010 - the type checker knows that it is frozen


def test_options_survive_json() -> None:
    built = Kinds(share=0.1, layers=("a", "b"), counts=(1, 2), maybe=0.7, choice_or_none="blue")
    assert Kinds.model_validate_json(built.model_dump_json()) == built


@pytest.mark.parametrize("method", names())
def test_every_option_of_a_method_is_described_and_is_checked_by_its_default(method: str) -> None:
    model: Any = load(method)
    for name, field in model.model_fields.items():
        assert field.description, name
        assert accepts(field)
        build(model, {name: field.get_default()})
