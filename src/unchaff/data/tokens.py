"""Texts as the numbers of a model folder's own tokenizer."""

import inspect
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unchaff.data.listing import Decoded, good_rows
from unchaff.data.options import Options
from unchaff.data.prepare import Prepare
from unchaff.data.sources import chunks_of, in_memory
from unchaff.errors import DataError, ModelError
from unchaff.hub import Folder, loading
from unchaff.packing import MASK, Layout, pack
from unchaff.samples import Kind

IDS = "input_ids"
LONGEST = 512  # tokens of a text that are read, unless told otherwise
UNSAID = 10**6  # tokens: a tokenizer that says more says nothing
SPARE = 2  # positions that networks in the manner of RoBERTa do not use
DROPPED = 0.1  # share of the tokens that training leaves out


@dataclass(frozen=True)
class Tokens:
    """Texts are tokenised when they are read; here is said how long they are."""

    length: int  # tokens of a text that are read
    dear: ClassVar[bool] = False

    def __call__(self, raw: Tensor) -> Tensor:
        return raw

    def to_json(self) -> dict[str, Any]:
        return {"kind": "tokens", "length": self.length}


@dataclass(frozen=True)
class TokenDropout:
    """A tenth of the tokens replaced by the one that stands for a hidden word."""

    layout: Layout
    stands_in: int  # the mask, or the unknown token
    special: tuple[int, ...]  # tokens that stay

    def __call__(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Return another batch."""
        parts = self.layout.unpack(inputs)
        ids = parts[IDS]
        drawn = torch.rand(ids.shape, generator=generator, device=ids.device) < DROPPED
        may = ~torch.isin(ids, torch.tensor(self.special, device=ids.device)) & parts[MASK].bool()
        return self.layout.bytes_of({**parts, IDS: torch.where(drawn & may, self.stands_in, ids)})


def settle(
    texts: NDArray[np.object_],
    options: Options,
    folder: Folder,
    *,
    kind: Kind | None = None,
    prepare: Prepare | None = None,
) -> Decoded:
    """Leave out empty texts, and tokenise the others to one length.

    Raises:
        DataError: no text has a word.
        ModelError: the folder has no tokenizer, or one that cannot be used.
    """
    bad = {row: "the text is empty" for row, text in enumerate(texts) if not (text and str(text).strip())}
    rows = good_rows(len(texts), bad)
    if not len(rows):
        raise DataError(f"All {len(texts)} texts are empty. Give other data.")
    kept = [str(text) for text in texts[rows]]
    tokens = prepare if isinstance(prepare, Tokens) else Tokens(_length(kept, options, folder))
    packed, layout, cut = _encoded(kept, tokens.length, folder)
    notes = (f"{cut} of {len(kept)} texts were cut to {tokens.length} tokens.",) if cut else ()
    return Decoded(
        source=in_memory(packed, tokens),
        kind=kind or Kind("text", tuple(packed.shape[1:]), layout=layout),
        prepare=tokens,
        rows=rows,
        bad=bad,
        notes=notes,
        augmentation=_dropout(folder, layout),
    )


def _length(texts: list[str], options: Options, folder: Folder) -> int:
    """Return a length that 95 % of the texts fit in, no more than the network can read."""
    most = _most(folder)
    if options.length is not None and options.length > most:
        raise DataError(f"length is {options.length}, but {folder.path} reads at most {most} tokens.")
    if options.length is not None:
        return options.length
    lengths: list[int] = []
    with loading(folder.path, "the tokenizer"):
        for rows in chunks_of(len(texts)):
            made = folder.tokenizer([texts[row] for row in rows])
            lengths += [len(ids) for ids in made[IDS]]
    fitting = int(np.quantile(lengths, 0.95, method="inverted_cdf"))
    return min(max(fitting, 8), most, LONGEST)


def _most(folder: Folder) -> int:
    """Return how many tokens the network can read."""
    said = int(folder.tokenizer.model_max_length)
    places = getattr(folder.config, "max_position_embeddings", None)
    if not isinstance(places, int) or places <= SPARE:
        return said
    return min(said, places) if said < UNSAID else places - SPARE


def _encoded(texts: list[str], length: int, folder: Folder) -> tuple[Tensor, Layout, int]:
    """Return packed rows, how to read them, and how many texts were cut."""
    takes = inspect.signature(folder.network_class.forward).parameters
    parts, cut = [], 0
    with loading(folder.path, "the tokenizer"):
        for rows in chunks_of(len(texts)):
            some = [texts[row] for row in rows]
            whole = folder.tokenizer(some, truncation=False)[IDS]
            made = folder.tokenizer(
                some, truncation=True, max_length=length, padding="max_length", return_attention_mask=True
            )
            cut += sum(len(ids) > length for ids in whole)
            parts.append({name: torch.tensor(each) for name, each in made.items() if name in takes})
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    if not {IDS, MASK} <= set(joined):
        raise ModelError(
            f"The network of {folder.path} takes {', '.join(takes)}, and not {IDS} and {MASK} as texts give."
        )
    _, layout = pack([{name: each[0] for name, each in joined.items()}])
    return layout.bytes_of(joined), layout, cut


def _dropout(folder: Folder, layout: Layout) -> TokenDropout | None:
    tokenizer = folder.tokenizer
    stands_in = tokenizer.unk_token_id if tokenizer.mask_token_id is None else tokenizer.mask_token_id
    if stands_in is None:
        return None
    return TokenDropout(layout, int(stands_in), tuple(int(one) for one in tokenizer.all_special_ids))
