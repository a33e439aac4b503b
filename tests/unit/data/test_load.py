import pytest

from unchaff.data.load import load, load_like
from unchaff.data.options import Options
from unchaff.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("nothing.parquet", r"does not exist. Give a folder of class folders"),
        ("data.xyz", r"of no known kind. Give"),
        ("hub:beans", r"Save it with datasets"),
    ],
)
def test_a_spec_that_leads_nowhere_is_told_what_is_allowed(tmp_path, name, match):
    (tmp_path / "data.xyz").write_text("")
    with pytest.raises(DataError, match=match):
        load(name if ":" in name else str(tmp_path / name))


def test_digits_bring_their_test_part():
    loaded = load("digits", Options(rows=100))
    assert (len(loaded.train), len(loaded.test)) == (100, 450)
    assert loaded.found.startswith("100 samples (image 1x8x8) of 10 classes from scikit-learn's digits")


def test_digits_are_augmented_as_asked():
    twice = lambda inputs, _generator: 2 * inputs  # noqa: E731
    assert load("digits", Options(augment=twice)).train.augmentation is twice
    assert load("digits").train.augmentation is None


@pytest.mark.parametrize(
    "given",
    [
        *({"size": (16, 16)}, {"rate": 8000}, {"seconds": 1.0}, {"length": 3}, {"mean": (0.5,)}),
        *({"std": (0.5,)}, {"mirror": True}, {"lazy": True}, {"label_column": "y"}, {"id_column": "y"}),
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_does_not_apply_to_digits_is_refused_by_name(given):
    with pytest.raises(ConfigError, match=f"{next(iter(given))} was given, but the digits are built in"):
        load("digits", Options(**given))


def test_text_tables(tmp_path):
    for name, mark in (("t.csv", ","), ("t.tsv", "\t")):
        lines = ["a", "label"], ["1.5", "0"], ["2.5", "1"]
        (tmp_path / name).write_text("\n".join(mark.join(line) for line in lines))
        assert load(str(tmp_path / name)).train.labels.tolist() == [0, 1]


def test_texts_with_line_breaks_are_read_however_large_the_table(tmp_path):
    text = "one\ntwo " + 250 * "word "
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f'"{text}",{row % 2}\n' for row in range(2000)))
    assert load(str(tmp_path / "t.csv")).train.texts.tolist() == [text] * 2000


@pytest.mark.parametrize("rows", ["1;2;0\n3;4;1\n", "1,5;2;0\n3,5;4;1\n"])
def test_values_separated_otherwise_are_told_how_to_separate_them(tmp_path, rows):
    (tmp_path / "t.csv").write_text("a;b;label\n" + rows)
    with pytest.raises(DataError, match="Separate values by commas"):
        load(str(tmp_path / "t.csv"))


def test_blanks_around_names_of_columns_do_not_count(tmp_path):
    (tmp_path / "t.csv").write_text("id, a, b , label\n7,1,2,0\n8,3,4,1\n")
    train = load(str(tmp_path / "t.csv")).train
    assert (train.columns, train.ids.tolist(), train.labels.tolist()) == (("a", "b"), [7, 8], [0, 1])


def test_columns_that_are_nearly_numbers_are_named(tmp_path, heard):
    rows = [f'{row},{"?" if row == 3 else row},"{row},5",name {row},{row % 2}\n' for row in range(10)]
    (tmp_path / "t.csv").write_text("a,b,c,d,label\n" + "".join(rows))
    assert load(str(tmp_path / "t.csv")).train.columns == ("a",)
    (said,) = heard
    assert said.startswith(
        "Taken for texts, for what stands in brackets is no number: b ('?'), c ('0,5'). Write"
    )


@pytest.mark.parametrize(
    "content", ["text,label\ncafé,1\nbad,0\n", "a,b,label\n1,café,0\n", "é,label\n1,0\n"]
)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_text_table_in_another_encoding_is_told_how_to_convert_it(tmp_path, content, encoding):
    (tmp_path / "t.csv").write_bytes(content.encode(encoding))
    with pytest.raises(DataError, match=r"is not UTF-8: it holds the byte 0x.*iconv -f latin1 -t utf-8"):
        load(str(tmp_path / "t.csv"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_text_table_in_utf_8(tmp_path, encoding, monkeypatch):
    monkeypatch.setattr("unchaff.data.delimited.PORTION", 1)  # letters of several bytes come in parts
    (tmp_path / "t.csv").write_text("text,label\ncafé,1\nbad,0\n", encoding=encoding)
    assert sorted(load(str(tmp_path / "t.csv")).train.texts) == ["bad", "café"]


def test_like_takes_size_and_preparation_from_the_training_data(tmp_path, image_table, make):
    train = load(image_table)
    other = make.table(tmp_path / "other.parquet", {"img": [make.picture(3, size=(9, 9))], "label": [1]})
    like = load_like(other, train)
    assert like.kind == train.train.kind
    assert next(like.batches(1)).inputs.shape == (1, 3, 6, 5)


def test_like_refuses_other_classes_and_kinds(tmp_path, image_table, make):
    train = load(image_table)
    classes = make.table(tmp_path / "c.parquet", {"img": [make.picture(3)], "label": [0]}, names=("a", "z"))
    with pytest.raises(DataError, match="The classes differ: z not among"):
        load_like(classes, train)
    numbers = make.table(tmp_path / "n.parquet", {"x": [1.0], "label": [0]})
    with pytest.raises(DataError, match="of kind tabular, the training data of kind image"):
        load_like(numbers, train)
    with pytest.raises(DataError, match="digits has other classes than the training"):
        load_like("digits", train)


def test_like_takes_the_test_part_of_a_folder(tmp_path, image_table, make):
    make.table(tmp_path / "train.parquet", {"img": [make.picture(1)] * 3, "label": [0, 1, 0]})
    make.table(tmp_path / "test.parquet", {"img": [make.picture(1)] * 2, "label": [0, 1]})
    assert len(load_like(str(tmp_path), load(image_table))) == 2


@pytest.mark.parametrize(
    "wrong", [{"rows": 0}, {"rate": -1}, {"size": (0, 3)}, {"std": (0.0,)}, {"workers": -1}]
)
def test_settings_outside_what_is_allowed_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Options(**wrong)


def test_digits_to_test_on_do_not_mind_how_the_training_data_are_read():
    digits = load("digits")
    assert len(load_like("digits", digits, Options(size=(8, 8), label_column="y"))) == 450
