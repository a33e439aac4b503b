"""Summaries of documents with foreign sentences: ROUGE with and without the filter."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from unchaff.bench.minilm import minilm, rouge
from unchaff.bench.rows import Row, made
from unchaff.documents import DocumentFilter, FittedFilter, sentences
from unchaff.errors import DataError, NeedsError
from unchaff.evaluate.spans import Recovery, auroc_of_spans
from unchaff.noise.documents import ForeignSentences, Planted
from unchaff.streams import Streams

FILTER = "input-filter"


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
    corpus = CORPORA[data.removeprefix("summarization/")]
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

    setting: Any  # Setting, of the suites
    seed: int
    place: Any  # Place, of the suites

    def row(self, todo: Any, _results: object) -> Row:  # noqa: ANN401  Todo, of the suite
        """Summarise with the filter or without."""
        started = time.perf_counter()
        try:
            minilm()
            more = self._measured(with_filter=todo.name == FILTER)
        except NeedsError as error:
            return self._row(todo, {}, 0.0, applies=False, notes=(str(error),))
        return self._row(todo, more, time.perf_counter() - started)

    @cached_property
    def corpus(self) -> Corpus:
        """What is summarised."""
        return CORPORA[self.setting.data.removeprefix("summarization/")]

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

    def _measured(self, *, with_filter: bool) -> dict[str, float]:
        documents, references, planted = self.tested
        hit = [each.document for each in planted]
        more = {
            **self._rouge(documents, references, "", with_filter=False),
            **self._rouge(hit, references, " foreign", with_filter=False),
        }
        if not with_filter:
            return more
        after = {
            **self._rouge(documents, references, "", with_filter=True),
            **self._rouge(hit, references, " foreign", with_filter=True),
        }
        scores = np.concatenate([self.filter.scores(each.sentences) for each in planted])
        marks = [mark for each in planted for mark in each.is_foreign]
        clean = [mark for each in documents for mark in self.filter.clean(each).is_removed]
        found = {
            name: Recovery(
                clean=more[name],
                hit=more[f"{name} foreign"],
                clean_filtered=after[name],
                hit_filtered=after[f"{name} foreign"],
            )
            for name in ("rouge1", "rouge2", "rougeL")
        }
        return {
            **after,
            **{f"{name} recovered": each.recovered for name, each in found.items() if each.clean > each.hit},
            "auroc of spans": auroc_of_spans(torch.from_numpy(scores), torch.tensor(marks)),
            "clean sentences removed": sum(clean) / len(clean),
        }

    def _rouge(
        self, documents: Sequence[str], references: Sequence[Sequence[str]], name: str, *, with_filter: bool
    ) -> dict[str, float]:
        """Return the mean over the documents."""
        texts = [self.filter.clean(each).text for each in documents] if with_filter else documents
        found = [
            rouge(summary(sentences(text), self.corpus.words), about)
            for text, about in zip(texts, references, strict=True)
        ]
        return {f"{each}{name}": float(np.mean([one[each] for one in found])) for each in found[0]}

    def _table(self, pack: str, part: str) -> dict[str, list[Any]]:
        if self.place.packs is None:
            raise DataError(
                f"The setting {self.setting.name} needs the data pack summarization/{pack}. "
                "Give --packs FOLDER, a folder with one folder per pack."
            )
        file = Path(self.place.packs) / "summarization" / pack / f"{part}.parquet"
        if not file.is_file():
            raise DataError(f"There is no file {file}. Give --packs FOLDER with the pack summarization.")
        return pq.read_table(file).to_pydict()

    def _row(self, todo: Any, more: dict[str, float], seconds: float, **rest: Any) -> Row:  # noqa: ANN401
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
