"""Pairs of faces: the file is read as it was meant, or refused with the line and the mend."""

import pytest
import torch

from infra.errors import ConfigurationError
from schemas.dataset import SourceSpec
from schemas.evaluate import Pairs
from tasks.evaluate import pairs
from tasks.evaluate.data import Pictures
from tests.tasks.rewrite.helpers import folder_source
from tests.tasks.shard.helpers import real_data

HEADER = b"key_a\tkey_b\tsame\n"
GOOD = HEADER + b"a\tb\t1\na\tc\t0\n"


@pytest.fixture(autouse=True)
def nothing_kept():
    pairs.forget()


def pictures(names):
    images = torch.arange(len(names), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 2, 2, 3).contiguous()
    return Pictures(images, torch.zeros(len(names), dtype=torch.int64), tuple(names), ("x",), 0)


def listed(text):
    return [(pair.line, pair.a, pair.b, pair.same) for pair in pairs.parse(text, "p.tsv")]


def test_a_file_is_read_pair_by_pair():
    assert listed(GOOD) == [(2, "a", "b", True), (3, "a", "c", False)]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.rstrip(b"\n"),
        b"same\tname\tkey_b\tkey_a\n1\tAnn\tb\ta\n0\tAnn\tc\ta\n",
        b"key_a\tkey_b\tsame\tnote\na\tb\t1\t\na\tc\t0\n",
        HEADER + b" a\tb \t 1\na\tc\t0",
    ],
    ids=["byte order mark", "windows", "no last newline", "other columns", "a short extra column", "spaces"],
)
def test_a_file_may_be_written_in_other_ways(text):
    assert listed(text) == [(2, "a", "b", True), (3, "a", "c", False)]


def test_empty_lines_are_passed_over_and_lines_keep_their_numbers():
    assert [line for line, *_ in listed(b"\n" + HEADER + b"\na\tb\t1\n\n\na\tc\t0\n\n")] == [4, 7]


BAD = {
    "empty": (b"", "pairs file p.tsv is empty"),
    "blank": (b"\n \n", "pairs file p.tsv is empty"),
    "no text": (b"\xff\xfe\x00", "is no text in UTF-8"),
    "no header": (b"a\tb\t1\na\tc\t0\n", "line 1 of pairs file p.tsv is no header: it has no single column key_a"),
    "commas": (b"key_a,key_b,same\na,b,1\n", "no single column key_a, key_b, same"),
    "a column twice": (b"key_a\tkey_b\tsame\tsame\n", "no single column same"),
    "header alone": (HEADER, "names no pair of one person"),
    "same is yes": (HEADER + b"a\tb\t1\na\tc\tyes\n", 'line 3 of pairs file p.tsv has "yes" for same'),
    "same is empty": (HEADER + b"a\tb\t\n", 'line 2 of pairs file p.tsv has "" for same'),
    "a short line": (HEADER + b"a\tb\t1\n\na\n", "line 4 of pairs file p.tsv has 1 columns"),
    "no key": (HEADER + b"\tb\t1\n", "line 2 of pairs file p.tsv lacks a key"),
    "itself": (HEADER + b"a\ta\t1\na\tc\t0\n", "line 2 of pairs file p.tsv compares a with itself"),
    "one person": (HEADER + b"a\tb\t1\n", r"names no pair of two people \(same 0\)"),
    "two people": (HEADER + b"a\tb\t0\n", r"names no pair of one person \(same 1\)"),
    "a forged line": (HEADER + b"a\tb\t\x1b[2J\n", r'has "\\x1b\[2J" for same'),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_with_the_line_and_a_mend(kind):
    text, problem = BAD[kind]
    with pytest.raises(ConfigurationError, match=problem) as refused:
        pairs.parse(text, "p.tsv")
    assert refused.value.mend
    assert str(refused.value).isprintable()


def test_the_pictures_that_are_named_are_found_by_their_keys():
    found = pairs.find(pairs.parse(GOOD, "p.tsv"), pictures(["s/c", "s/unused", "t/a", "u/v/b"]), "p.tsv", "faces")
    assert found.images[found.a, 0, 0, 0].tolist() == [2, 2]
    assert found.images[found.b, 0, 0, 0].tolist() == [3, 0]
    assert found.same.tolist() == [True, False]
    assert len(found.images) == 3, "the others are let go of"


def test_a_missing_key_is_named_with_its_line():
    with pytest.raises(ConfigurationError, match=r"line 3 of pairs file p\.tsv names c, which faces does not hold"):
        pairs.find(pairs.parse(GOOD, "p.tsv"), pictures(["s/a", "s/b"]), "p.tsv", "faces")


def test_keys_that_several_samples_have_are_refused():
    named = pictures(["s/a", "s/b", "s/c", "t/a", "t/b"])
    with pytest.raises(ConfigurationError, match="2 keys of faces are those of several samples, such as a"):
        pairs.find(pairs.parse(GOOD, "p.tsv"), named, "p.tsv", "faces")


def test_the_digest_tells_pictures_and_pairs_apart():
    def digest(text, first=0):
        named = pictures([*(f"s/{i}" for i in range(first)), "s/a", "s/b", "s/c"])
        return pairs.find(pairs.parse(text, "p.tsv"), named, "p.tsv", "faces").digest()

    others = [HEADER + b"a\tb\t0\na\tc\t1\n", HEADER + b"b\ta\t1\na\tc\t0\n", GOOD + b"b\tc\t0\n"]
    assert len({digest(GOOD), digest(GOOD, first=1), *map(digest, others)}) == 5
    assert digest(GOOD) == digest(GOOD.replace(b"\n", b"\r\n"))


class TestAsConfigured:
    @pytest.fixture
    def given(self, tmp_path):
        folder_source(tmp_path / "faces", per_class=3)
        file = tmp_path / "pairs.tsv"
        file.write_bytes(HEADER + b"cat_000\tcat_001\t1\ncat_000\tdog_002\t0\n")
        return Pairs(file=str(file), pictures=SourceSpec(url=str(tmp_path / "faces")))

    def test_they_are_read_at_the_size_that_a_victim_sees(self, given):
        assert pairs.faces(given, 8).images.shape == (3, 8, 8, 3)
        assert pairs.faces(given, 16).images.shape == (3, 16, 16, 3)
        assert pairs.faces(given, 16) is pairs.faces(given, 16)

    def test_what_is_forgotten_is_read_again(self, given, tmp_path):
        first = pairs.faces(given, 8)
        (tmp_path / "pairs.tsv").write_bytes(HEADER + b"cat_002\tcat_001\t1\ncat_000\tdog_002\t0\n")
        assert pairs.faces(given, 8) is first
        pairs.forget()
        assert pairs.faces(given, 8).digest() != first.digest()

    def test_a_picture_that_can_not_be_read_is_not_there(self, given, tmp_path):
        (tmp_path / "faces" / "dog" / "002.png").write_bytes(b"no picture")
        with pytest.raises(ConfigurationError, match=r"line 3 .* names dog_002, which .* does not hold"):
            pairs.faces(given, 8)

    def test_a_file_that_is_not_there_is_named(self, given, tmp_path):
        elsewhere = given.model_copy(update={"file": str(tmp_path / "none.tsv")})
        with pytest.raises(ConfigurationError, match=r"none\.tsv is not there; check"):
            pairs.faces(elsewhere, 8)


def test_real_pairs_of_faces_are_found():
    folder = real_data("lfw-pairs")
    spec = SourceSpec(url=str(folder), split="test")
    found = pairs.faces(Pairs(file=str(folder / "pairs.tsv"), pictures=spec), 16)
    assert (len(found.same), int(found.same.sum())) == (800, 400)
    assert found.images.shape[1:] == (16, 16, 3)
