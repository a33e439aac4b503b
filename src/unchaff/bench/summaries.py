"""Summaries of documents with foreign sentences: ROUGE with and without the filter."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import torch

from unchaff.bench.minilm import minilm, rouge
from unchaff.bench.rows import Row, made
from unchaff.documents import DocumentFilter, FittedFilter, sentences
from unchaff.errors import DataError, NeedsError
from unchaff.evaluate.spans import auroc_of_spans, recovered
from unchaff.noise.documents import ForeignSentences, Planted
from unchaff.streams import Streams

if TYPE_CHECKING:
    from unchaff.bench.settings import Place, Setting
    from unchaff.bench.suite import Todo

FILTER = "input-filter"
SUMMARIES = "summarization/"  # begins the data of settings about documents


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Documents with summaries, and where foreign sentences come from."""

    pack: str  # folder under `summarization`
    foreign: str  # the other one
    fitted_on: int  # documents of its training part
    every: int = 1  # so-manieth of them, from the first on: some corpora are in the order of their subjects
    tested_on: int  # of its test part, drawn by the seed
    words: float | None  # of a document, that go into its summary; None: one sentence
    share: float  # of the sentences that are foreign


CORPORA = {
    "scitldr": Corpus(pack="scitldr", foreign="bbc", fitted_on=250, tested_on=100, words=None, share=0.5),
    "bbc": Corpus(pack="bbc", foreign="scitldr", fitted_on=480, every=3, tested_on=50, words=0.4, share=0.5),
}
FOREIGN_DOCUMENTS = 60  # that sentences are drawn from


def deciding(data: str) -> tuple[str, ...]:
    """Return what decides the numbers of a corpus beside its documents."""
    corpus = CORPORA[data.removeprefix(SUMMARIES)]
    return repr(corpus), repr(ForeignSentences(corpus.share)), repr(DocumentFilter(embed=list))


def summary(parts: Sequence[str], words: float | None) -> str:
    """Return the sentences nearest to the mean embedding of the document, in its order.

    Source: centroid summaries of Radev et al. (2004), on sentence embeddings.
    """
    rows = minilm()([each.strip() for each in parts])
    near = (rows @ rows.mean(0)).argsort()[::-1].tolist()
    if words is None:
        return parts[near[0]].strip()
    room = words * sum(len(each.split()) for each in parts)
    chosen: list[int] = []
    for place in near:
        if chosen and room < len(parts[place].split()) / 2:
            break
        chosen.append(place)
        room -= len(parts[place].split())
    return " ".join(parts[place].strip() for place in sorted(chosen))


@dataclass(frozen=True)
class SummaryGround:
    """A corpus with foreign sentences planted in its test documents."""

    setting: "Setting"
    seed: int
    place: "Place"

    def row(self, todo: "Todo", _results: object) -> Row:
        """Summarise with the filter or without."""
        started = time.perf_counter()
        _ = self.tested  # where the data are missing nothing is loaded
        try:
            more = self.filtered if todo.name == FILTER else self.unfiltered
        except NeedsError as error:
            return self._row(todo, {}, 0.0, applies=False, notes=(str(error),))
        return self._row(todo, more, time.perf_counter() - started)

    @cached_property
    def corpus(self) -> Corpus:
        """What is summarised."""
        return CORPORA[self.setting.data.removeprefix(SUMMARIES)]

    @cached_property
    def tested(self) -> tuple[list[str], list[list[str]], list[Planted]]:
        """Documents, their references, and the same with foreign sentences."""
        streams, table = Streams(self.seed), self._table(self.corpus.pack, "test")
        ids = np.asarray(table["id"])
        rows = streams.subset("summaries", ids, self.corpus.tested_on)
        documents = [str(table["document"][row]) for row in rows]
        told = table["references"] if "references" in table else [[each] for each in table["summary"]]
        others = self._table(self.corpus.foreign, "test")["document"][:FOREIGN_DOCUMENTS]
        pool = [sentences(each) for each in others]
        plant = ForeignSentences(self.corpus.share)
        planted = plant([sentences(each) for each in documents], ids[rows], pool, streams=streams)
        return documents, [told[row] for row in rows], planted

    @cached_property
    def filter(self) -> FittedFilter:
        """The filter, fitted to training documents."""
        documents = self._table(self.corpus.pack, "train")["document"][:: self.corpus.every]
        return DocumentFilter(embed=minilm()).fit(documents[: self.corpus.fitted_on])

    @cached_property
    def unfiltered(self) -> dict[str, float]:
        """ROUGE of the documents as they are, and with foreign sentences."""
        documents, _, planted = self.tested
        return self._rouge(documents, [each.document for each in planted])

    @cached_property
    def filtered(self) -> dict[str, float]:
        """The same behind the filter, and how well that finds foreign sentences."""
        documents, _, planted = self.tested
        cleaned = [self.filter.clean(each) for each in documents]
        found = [self.filter.clean(each.document).text for each in planted]
        more, after = self.unfiltered, self._rouge([each.text for each in cleaned], found)
        scores = np.concatenate([self.filter.scores(each.sentences) for each in planted])
        marks = [mark for each in planted for mark in each.is_foreign]
        clean = [mark for each in cleaned for mark in each.is_removed]
        won = {
            name: recovered(clean=more[name], hit=more[f"{name} foreign"], filtered=after[f"{name} foreign"])
            for name in ("rouge1", "rouge2", "rougeL")
        }
        return {
            **after,
            **{f"{name} recovered": each for name, each in won.items() if each is not None},
            "auroc of spans": auroc_of_spans(torch.from_numpy(scores), torch.tensor(marks)),
            "clean sentences removed": sum(clean) / len(clean),
        }

    def _rouge(self, clean: Sequence[str], foreign: Sequence[str]) -> dict[str, float]:
        """Return the means over the documents."""
        means: dict[str, float] = {}
        for texts, name in ((clean, ""), (foreign, " foreign")):
            found = [
                rouge(summary(sentences(text), self.corpus.words), about)
                for text, about in zip(texts, self.tested[1], strict=True)
            ]
            means |= {f"{each}{name}": float(np.mean([one[each] for one in found])) for each in found[0]}
        return means

    def _table(self, pack: str, part: str) -> dict[str, list[Any]]:
        file = self.setting.pack(self.place).parent / pack / f"{part}.parquet"
        if not file.is_file():
            raise DataError(f"There is no file {file}. Give --packs FOLDER with the pack summarization.")
        return pq.read_table(file).to_pydict()

    def _row(self, todo: "Todo", more: dict[str, float], seconds: float, **rest: Any) -> Row:  # noqa: ANN401
        return Row(
            key=todo.key,
            setting=self.setting.name,
            name=todo.name,
            kind="method",
            seed=self.seed,
            more=more,
            seconds=seconds,
            made=made(torch.device("cpu")),
            **rest,
        )
