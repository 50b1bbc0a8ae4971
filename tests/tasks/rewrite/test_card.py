"""The dataset card: the code that it shows runs as it stands, and nothing from outside becomes a part of it."""

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.dataset import DatasetManifest, SourceSpec
from schemas.protect import ProtectedManifest, ProtectionRecord
from tasks.rewrite.card import card

HOSTILE = 'cls"]) ; getattr(__import__("os"),"system")("echo PWNED") #'
TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20).filter(lambda text: text[0] != ".")


def code_of(label_field):
    """The Python block of a card whose labels lie in `label_field`, whatever the schema says of that name."""
    spec = SourceSpec(url=".").model_copy(update={"label_field": label_field})
    dataset = DatasetManifest(
        source=SourceSpec(url="."),
        format="webdataset",
        class_names=("a", "b"),
        labels=("0", "1"),
        shards=(),
        quarantined=0,
    ).model_copy(update={"source": spec})
    fields = {"method": "random", "form": "class-wise", "norm": "linf", "epsilon": 8, "fraction": 1.0}
    fields |= {"classes": None, "protected": 1, "max_abs_change": 8, "software": "0"}
    protected = ProtectedManifest(job="0" * 32, dataset=dataset, protection=ProtectionRecord.model_validate(fields))
    return card(protected).partition("```python\n")[2].partition("```\n")[0]


def shape(code):
    """A program without the texts in it, and these."""
    parsed = ast.parse(code)
    texts = [node.value for node in ast.walk(parsed) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for node in ast.walk(parsed):
        if isinstance(node, ast.Constant):
            node.value = ""
    return ast.dump(parsed), texts


@given(TEXT)
@example(HOSTILE)
@example("one\nimport os")
@example("'+x+'")
@example("a\\")
@example("{split}")
def test_no_name_of_a_field_becomes_code(label_field):
    plain, _ = shape(code_of(None))
    found, texts = shape(code_of(label_field))
    assert found == plain
    assert texts.count(label_field.split(".")[0]) >= 2


@pytest.mark.parametrize("field", ["label_field", "image_field"])
@pytest.mark.parametrize("text", [HOSTILE, "a'b", "a`b", "a\\b", "a\nb", "a\x1b[31m", "\x00", "a\u2028b", ""])
def test_no_source_has_a_field_of_such_a_name(field, text):
    with pytest.raises(ValidationError, match=field):
        SourceSpec.model_validate({"url": "x", field: text})


@pytest.mark.parametrize("field", ["label_field", "image_field"])
@pytest.mark.parametrize("text", ["cls", "label.name", "meta kind", "RIGHT.png", "\u00e9tiquette", "a-b_c/d[0]"])
def test_ordinary_names_of_fields_are_taken(field, text):
    assert SourceSpec.model_validate({"url": "x", field: text}).model_dump()[field] == text
