import csv
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from starlette.testclient import TestClient

from made_runs import HOSTILE, run_of_pictures, write_run
from unchaff.records import Partition
from unchaff.report.reasons import reasons
from unchaff.report.words import STEERING, visible
from unchaff.review.guard import LARGEST
from unchaff.review.server import FILES, MEDIA, Serving, app
from unchaff.review.session import Review
from unchaff.runs.read import read

TOKEN = "a-token"  # noqa: S105
HERE = "http://127.0.0.1:1234"


@pytest.fixture
def client(review):
    return TestClient(app(review, token=TOKEN), base_url=f"{HERE}/{TOKEN}/")


def decide(client, rows, kind, label=None, batch="one"):
    return client.post("decide", json={"batch": batch, "rows": rows, "kind": kind, "label": label})


def test_the_page_and_its_files_are_there(client):
    for path, name in FILES.items():
        reply, kind = client.get(path), MEDIA[Path(name).suffix]
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith(kind)
        assert len(reply.content) > 100


def test_nothing_of_the_page_is_from_elsewhere_or_inline(client):
    for path in FILES:
        text = client.get(path).text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text
    page = client.get("").text
    assert "style=" not in page
    assert page.count("<script") == page.count('<script type="module" src=') == 1


@pytest.mark.parametrize(
    "path", ["/", "/about", "/wrong/about", "/a-toke/about", "/a-token", "/a-tokenx/", "//a-token/", "/é/"]
)
def test_without_the_token_there_is_nothing(review, path):
    reply = TestClient(app(review, token=TOKEN), base_url=HERE).get(path)
    assert (reply.status_code, reply.content) == (403, b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:1234"},
        {"host": "192.168.0.7:1234"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_other_names_and_other_pages_are_refused(client, headers):
    reply = client.get("about", headers=headers)
    assert (reply.status_code, reply.content) == (403, b"")


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:1234"])
def test_names_of_this_computer_are_known(client, host):
    assert client.get("about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_listening_here_only_names_of_this_computer_are_known(review, host):
    client = TestClient(app(review, token=TOKEN, host=host), base_url=f"{HERE}/{TOKEN}/")
    for name, status in (("[::1]:1234", 200), ("127.0.0.1:1234", 200), ("192.168.0.7:1234", 403)):
        assert client.get("about", headers={"host": name}).status_code == status


def test_elsewhere_addresses_in_numbers_are_known_and_names_are_not(review):
    client = TestClient(app(review, token=TOKEN, host="0.0.0.0"), base_url=f"{HERE}/{TOKEN}/")  # noqa: S104
    assert client.get("about", headers={"host": "192.168.0.7:1234"}).status_code == 200
    assert client.get("about", headers={"host": "evil.example"}).status_code == 403


def test_every_reply_says_what_the_browser_may_do(client):
    for reply in (client.get(""), client.get("about"), client.get("nothing"), client.post("decide")):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in reply.headers


def test_only_json_changes_anything(client, review):
    given = json.dumps({"batch": "a", "rows": [0], "kind": "drop"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert client.post("decide", content=given, headers={"content-type": kind}).status_code == 415
    as_json = {"content-type": "application/json"}
    assert client.post("decide", content=b" " * (LARGEST + 1), headers=as_json).status_code == 413
    assert client.post("decide", content=iter([given.encode()]), headers=as_json).status_code == 411
    assert client.get("decide").status_code == client.put("decide", json={}).status_code == 405
    assert client.options("decide").status_code == 405
    assert review.store.decided() == []


WRONG = {
    "no object": [1],
    "no batch": {"rows": [0], "kind": "keep"},
    "a long batch": {"batch": "x" * 65, "rows": [0], "kind": "keep"},
    "no rows": {"batch": "a", "rows": [], "kind": "keep"},
    "a row that is not there": {"batch": "a", "rows": [0, 6], "kind": "keep"},
    "a row before the first": {"batch": "a", "rows": [-1], "kind": "keep"},
    "a row that is true": {"batch": "a", "rows": [True], "kind": "keep"},
    "another answer": {"batch": "a", "rows": [0], "kind": "burn"},
    "a class that is not there": {"batch": "a", "rows": [0], "kind": "relabel", "label": 2},
    "a class by name": {"batch": "a", "rows": [0], "kind": "relabel", "label": "dog"},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_makes_no_sense_is_refused_and_stores_nothing(client, review, name):
    reply = client.post("decide", json=WRONG[name])
    assert reply.status_code == 400
    assert reply.json()["error"]
    assert review.store.decided() == []


@pytest.mark.parametrize("query", ["given=x", "split=some", "order=up", "low=much", "given=9999999999999999"])
def test_a_filter_that_makes_no_sense_is_refused(client, query):
    assert client.get(f"suspects?{query}").status_code == 400


def test_suspects_come_worst_first_and_are_described(client):
    found = client.get("suspects").json()
    assert (found["total"], found["rows"]) == (3, [0, 2, 1])
    item = client.get("samples?rows=0").json()["items"][0]
    assert item == {
        "row": 0, "id": "10", "given": 0, "suggested": 1, "quality": "0.100", "kept": False,
        "why": "what the layers read shows its label, cat, less clearly than any other sample",
        "decision": None, "label": None,
    }  # fmt: skip


@pytest.mark.parametrize("threshold", [None, 0.65])
def test_reasons_are_those_of_the_report(folder, threshold):
    table = pq.read_table(folder / "quality.parquet")
    draw = np.random.default_rng(2)
    for name in ("typicality", "first_readout", "{own}"):
        table = table.append_column(name, pa.array(draw.normal(size=6).astype("f4")))
    table = table.set_column(6, "readout", pa.array([0.1, np.nan, np.inf, 0.2, 0.2, 5.0], pa.float32()))
    pq.write_table(table, folder / "quality.parquet")
    (folder / "metrics.json").write_text(json.dumps({"split": {"threshold": threshold}}))
    review = Review(read(folder))
    split = Partition(
        ids=np.arange(6),
        quality=torch.zeros(6),
        kept=torch.ones(6, dtype=torch.bool),
        evidence={
            name: torch.from_numpy(table.column(name).to_numpy().copy()) for name in table.column_names[6:]
        },
        threshold=threshold,
    )
    given = [review.run.class_names[label] for label in review.suspects.labels]
    expected = reasons(split, range(6), given)
    assert [item["why"] for item in review.samples(range(6))["items"]] == expected
    assert any("{own} is lower" in each for each in expected), "a name is no pattern"
    assert any("more unlike the others" in each for each in expected) == (threshold is None)
    review.store.close()


def test_an_answer_is_stored_shown_and_taken_back(client, review):
    reply = decide(client, [0, 2], "relabel").json()
    assert reply["changed"] == [
        {"row": 0, "decision": "relabel", "label": 1},
        {"row": 2, "decision": "relabel", "label": 0},
    ]
    assert reply["progress"] == {
        "suspects": 3, "reviewed": 2, "wrong": 2, "decided": 2, "interval": [pytest.approx(0.34, abs=0.1), 1],
    }  # fmt: skip
    assert {one.id: one.label for one in review.store.decided()} == {10: 1, 12: 0}
    assert client.get("suspects?state=undecided").json()["rows"] == [1]
    taken = client.post("undo", json={"batch": "one"}).json()
    assert [each["decision"] for each in taken["changed"]] == [None, None]
    assert review.store.decided() == []


def test_a_relabel_to_the_given_label_is_a_keep(client, review):
    decide(client, [0, 2], "relabel", 0)
    assert {one.id: one.kind for one in review.store.decided()} == {10: "keep", 12: "relabel"}


def test_where_nothing_was_set_aside_it_is_said(tmp_path, client):
    said = "The run set nothing aside; here are the samples it kept, worst first."
    assert said not in client.get("about").json()["notes"]
    folder = write_run(tmp_path / "clean", ids=[1, 2], labels=[0, 1], suggested=[0, 1], quality=[0.9, 0.8])
    review = Review(read(folder))
    assert review.about()["notes"] == [said]
    review.store.close()


def test_what_another_program_decides_is_told(client, review, folder):
    other = Review(read(folder))
    version = client.get("about").json()["version"]
    other.decide("theirs", [1], "drop", None)
    assert client.get(f"changes?since={version}").json()["changed"] == [
        {"row": 1, "decision": "drop", "label": None}
    ]
    decide(client, [1], "keep", batch="mine")
    other.undo("theirs")
    assert {one.id: one.kind for one in review.store.decided()} == {11: "keep"}
    other.store.close()


def test_decisions_are_downloaded(client):
    decide(client, [0], "relabel", 1)
    decide(client, [1], "drop", batch="two")
    rows = list(csv.DictReader(io.StringIO(client.get("decisions.csv").text)))
    assert [(row["id"], row["decision"], row["label"], row["given_label"]) for row in rows] == [
        ("10", "relabel", "dog", "cat"),
        ("11", "drop", "", "cat"),
    ]
    table = pq.read_table(io.BytesIO(client.get("decisions.parquet").content))
    assert table.column("id").to_pylist() == [10, 11]


def test_pictures_come_once_the_data_are_found(pictures):
    review = Review(read(pictures))
    client = TestClient(app(review, token=TOKEN), base_url=f"{HERE}/{TOKEN}/")
    assert client.get("media?rows=0").json() == {"media": {}, "notes": [], "pictures": "opening"}
    client.get("samples?rows=0")
    review.begin().join(60)
    found = client.get("media?rows=0,1").json()
    assert found["pictures"] == "ready"
    assert found["notes"] == []
    assert found["media"]["0"]["image"].startswith("data:image/png;base64,")
    assert found["media"]["0"]["alt"] == "Picture labelled cat"
    review.store.close()


def test_hostile_names_are_written_out_and_formulas_are_quoted(tmp_path):
    review = Review(read(run_of_pictures(tmp_path, HOSTILE, count=2)))
    client = TestClient(app(review, token=TOKEN), base_url=f"{HERE}/{TOKEN}/")
    about = client.get("about")
    assert about.headers["content-type"] == "application/json"
    assert about.json()["classes"] == [visible(name) for name in sorted(HOSTILE)]
    review.begin().join(60)
    rows = ",".join(map(str, range(8)))
    for path in (f"samples?rows={rows}", f"media?rows={rows}"):
        said = json.dumps(client.get(path).json(), ensure_ascii=False)
        assert "202e" in said
        assert not STEERING.search(said)
    decide(client, [0], "relabel", 1)
    assert client.get("decisions.csv").status_code == 200
    review.store.close()


def test_the_page_opens_without_torch_which_takes_seconds(folder):
    words = (
        "import sys; from pathlib import Path; from unchaff.runs.read import read; "
        "import unchaff.review.server; from unchaff.review.session import Review; "
        "Review(read(Path(sys.argv[1]))).about(); sys.exit('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", words, str(folder)], check=False)  # noqa: S603
    assert run.returncode == 0


def test_the_end_waits_for_what_is_being_loaded_and_begins_nothing_more(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("unchaff.review.pictures.Pictures", lambda *_: made.append(1))
    run = run_of_pictures(tmp_path, ("cat", "dog"))
    review = Review(read(run))
    thread = review.begin()
    review.end()
    assert not thread.is_alive()
    assert made == []
    review.store.close()


def test_ctrl_c_counts_before_the_first_answer_and_is_not_passed_on(review):
    """Pressed while the server is beginning, it would interrupt whatever runs, and can be lost there."""
    usual, serving = signal.getsignal(signal.SIGINT), Serving.on("127.0.0.1", 0)
    with serving.answering(review) as answer:
        signal.raise_signal(signal.SIGINT)
        answer()
    assert serving.listening.fileno() == -1, "closed"
    assert signal.getsignal(signal.SIGINT) is usual
