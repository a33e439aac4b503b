import json

from unchaff.cli import app


def test_each_source_is_printed_once_and_whole(capsys):
    assert app.main(["cite", "unlearn", "published", "retrain"]) == 0
    said = capsys.readouterr()
    assert said.out.count("@article{jin2025machine,\n  title = {Machine Unlearning") == 1
    assert said.out.count("@") == 2
    assert said.out.rstrip().endswith("}")
    assert said.err == "retrain is a plain control: it has no source of its own.\n"


def test_as_an_object(capsys):
    assert app.main(["cite", "gce", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["methods"] == {"gce": ["zhang2018generalized"]}
    assert told["entries"]["zhang2018generalized"].startswith("@inproceedings{zhang2018generalized,")


def test_an_unknown_method_is_one_sentence(capsys):
    assert app.main(["cite", "gcee"]) == 1
    assert "There is no method 'gcee'. Allowed: unlearn, " in capsys.readouterr().err
