import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import ConfigurationError
from tasks.match.classes import by_name, from_file, identity

PRIVATE, PUBLIC = ["cat", "dog"], ["Siamese cat", "beagle", "truck"]
WORDS = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=8)


def test_private_data_makes_the_noise_for_itself():
    assert identity(["b", "a"]) == [("b", "b"), ("a", "a")]


@pytest.mark.parametrize("spelling", ["Siamese Cat", "siamese_cat", "SIAMESE-CAT", " siamese  cat.", "siameseCat"])
def test_case_punctuation_and_spaces_do_not_count_in_a_name(spelling):
    assert by_name([spelling], PUBLIC) == [(spelling, "Siamese cat")]


@given(st.lists(WORDS, min_size=1, max_size=6, unique=True), st.randoms())
def test_matches_stand_in_the_order_of_the_private_classes(names, random):
    public = [name.upper() for name in names]
    random.shuffle(public)
    assert by_name(names, public) == [(name, name.upper()) for name in names]


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=6, unique=True))
def test_equal_names_match_whatever_they_look_like(names):
    assert by_name(names, names) == identity(names)


def test_classes_that_differ_in_their_sign_are_told_apart():
    assert by_name(["-1", "1"], ["1", "-1"]) == [("-1", "-1"), ("1", "1")]


def test_names_without_a_letter_or_digit_are_not_all_alike():
    with pytest.raises(ConfigurationError, match=r"called like \+;"):
        by_name(["+"], ["-", "?"])


def test_every_class_without_a_match_is_listed():
    with pytest.raises(ConfigurationError) as caught:
        by_name(["beagle", "cat", "dog"], PUBLIC)
    text = str(caught.value)
    assert "like cat, dog;" in text
    assert "Siamese cat, beagle, truck" in text
    assert "--mapping" in caught.value.mend


def test_an_ambiguous_name_is_not_guessed():
    with pytest.raises(ConfigurationError, match="several public classes are called like sea lion"):
        by_name(["sea lion"], ["Sea Lion", "sea-lion"])


def test_a_long_list_of_classes_is_cut_short():
    with pytest.raises(ConfigurationError, match="c9 and 90 more"):
        by_name([f"c{i}" for i in range(100)], ["truck"])


def test_a_name_cannot_forge_a_line_of_the_log():
    with pytest.raises(ConfigurationError) as caught:
        by_name(["cat\n\x1b[31mall is well"], PUBLIC)
    assert str(caught.value).isprintable()


FILES = {
    "mapping.yaml": b"dog: beagle\ncat: Siamese cat\n",
    "mapping.yml": b"# which makes which\n'dog': \"beagle\"\ncat: Siamese cat\n",
    "mapping.json": b'{"dog": "beagle", "cat": "Siamese cat"}',
    "MAPPING.JSON": b'{"dog": "beagle", "cat": "Siamese cat"}',
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_which_class_makes_which_noise(name):
    matches = from_file(FILES[name], f"s3://bucket/{name}", PRIVATE, PUBLIC, PRIVATE)
    assert matches == [("cat", "Siamese cat"), ("dog", "beagle")]


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_one_public_class_may_make_the_noise_of_two(suffix):
    text = json.dumps({"cat": "truck", "dog": "truck"}).encode()
    assert from_file(text, f"m.{suffix}", PRIVATE, PUBLIC, PRIVATE) == [("cat", "truck"), ("dog", "truck")]


@pytest.mark.parametrize("names", [["0", "1"], ["no", "yes"], ["off", "on"], ["null", "true"], ["01", "1e3"]])
def test_a_name_in_yaml_is_a_name_whatever_else_it_may_mean(names):
    text = "".join(f"{name}: {name}\n" for name in names).encode()
    assert from_file(text, "m.yaml", names, names, names) == identity(names)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("m.yaml", b"cat: [\n"),
        ("m.yaml", b"\xff\xfe\xfa"),
        ("m.yaml", b"!!python/object/apply:os.system ['true']"),
        ("m.yaml", b"just a text"),
        ("m.yaml", b"- cat\n- dog\n"),
        ("m.yaml", b""),
        ("m.json", b"cat: beagle"),
        ("m.json", b'["cat"]'),
        ("m.json", b"{}"),
        ("m.json", b"\xff"),
    ],
)
def test_a_file_that_is_no_mapping_is_bad_usage_that_names_it(url, text):
    with pytest.raises(ConfigurationError, match=f"mapping file {url}") as caught:
        from_file(text, url, PRIVATE, PUBLIC, PRIVATE)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_private_class_that_the_file_leaves_out_is_named():
    with pytest.raises(ConfigurationError, match=r"maps no class for dog; add"):
        from_file(b"cat: beagle", "m.yaml", PRIVATE, PUBLIC, PRIVATE)


def test_a_private_class_that_does_not_exist_is_named():
    with pytest.raises(ConfigurationError, match=r"maps bird, which the private dataset does not have; .*cat, dog"):
        from_file(b"cat: beagle\ndog: beagle\nbird: truck", "m.yaml", PRIVATE, PUBLIC, PRIVATE)


def test_a_public_class_that_does_not_exist_is_named():
    with pytest.raises(ConfigurationError, match=r"maps to poodle, which the public dataset does not have; .*truck"):
        from_file(b"cat: beagle\ndog: poodle", "m.yaml", PRIVATE, PUBLIC, PRIVATE)


class TestCoveredClasses:
    """A class that is not to be protected needs no public one."""

    @pytest.mark.parametrize("text", [b"cat: beagle", b"cat: beagle\ndog: truck"], ids=["alone", "with others"])
    def test_a_file_has_to_name_these_alone(self, text):
        assert from_file(text, "m.yaml", PRIVATE, PUBLIC, ["cat"]) == [("cat", "beagle")]

    def test_a_file_that_leaves_one_out_is_named(self):
        with pytest.raises(ConfigurationError, match="maps no class for cat; add"):
            from_file(b"dog: beagle", "m.yaml", PRIVATE, PUBLIC, ["cat"])

    def test_what_a_file_says_of_others_has_to_be_true_all_the_same(self):
        with pytest.raises(ConfigurationError, match="maps bird, which the private dataset does not have"):
            from_file(b"cat: beagle\nbird: truck", "m.yaml", PRIVATE, PUBLIC, ["cat"])
        with pytest.raises(ConfigurationError, match="maps to poodle, which the public dataset does not have"):
            from_file(b"cat: beagle\ndog: poodle", "m.yaml", PRIVATE, PUBLIC, ["cat"])
