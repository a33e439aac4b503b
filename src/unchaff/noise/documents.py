"""Foreign sentences, links and code among the sentences of documents."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unchaff.errors import NoiseError
from unchaff.samples import Ids
from unchaff.streams import Streams

WORDS = ("item", "value", "cache", "user", "node", "total", "index", "path", "name", "count", "data", "key")
HOSTS = (
    "www.shop-online.com",
    "news.daily.net",
    "bit.ly",
    "blog.travel.org",
    "m.video.tv",
    "t.co",
    "cdn.host.io",
)
CODE = (
    "for {0} in range(len({1})): {2} += {0}", "if ({0} != null) {{ {1}.close(); }}", "import {0}.{1} as {2}",
    "def get_{0}(self, {1}): return self.{2}[{1}]", "SELECT {0}, {1} FROM {2} WHERE id = {3};",
    "<div class=\"{0}\"><a href=\"/{1}/{3}\">{2}</a></div>", "const {0} = await fetch('/api/{1}/{3}');",
    "#define {0}_{1} {3}", "printf(\"{0}: %d\\n\", {1}->{2});", "public static void {0}(String[] {1}) {{",
)  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """The sentences of a document, foreign ones among them."""

    sentences: tuple[str, ...]
    is_foreign: tuple[bool, ...]

    @property
    def document(self) -> str:
        """One sentence a line."""
        return "\n".join(self.sentences)


@dataclass(frozen=True)
class ForeignSentences:
    """Put foreign sentences into documents, so that they are `share` of all sentences, at least one.

    Half of the documents get a passage of another text, in one piece; a quarter get links, a quarter lines
    of code, each of them somewhere. What is put in depends on the seed and the id alone.

    Source: Krishna et al., arXiv 2212.09928 (code, links and sentences of other texts); the lines of
    code and the links are made up here, and so is which document gets what.
    """

    share: float = 0.25  # of the sentences afterwards, in (0, 1)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise NoiseError(f"share must be in (0, 1), got {self.share}. For a quarter pass 0.25.")

    def __call__(
        self,
        documents: Sequence[Sequence[str]],
        ids: Ids,
        pool: Sequence[Sequence[str]],
        *,
        streams: Streams,
    ) -> list[Planted]:
        """Plant; `documents` and `pool` hold the sentences of each document."""
        seeds = streams.seeds("foreign-sentences", ids)
        return [
            self._planted(each, pool, np.random.default_rng(int(seed)))
            for each, seed in zip(documents, seeds, strict=True)
        ]

    def _planted(
        self, own: Sequence[str], pool: Sequence[Sequence[str]], draw: np.random.Generator
    ) -> Planted:
        found = [(each.strip(), False) for each in own]
        count, kind = max(1, round(self.share / (1 - self.share) * len(own))), draw.random()
        if kind < 0.5:
            place = int(draw.integers(0, len(found) + 1))
            found[place:place] = [(each, True) for each in _passage(pool, count, draw)]
        else:
            for _ in range(count):
                place = int(draw.integers(0, len(found) + 1))
                found.insert(place, (_link(draw) if kind < 0.75 else _code(draw), True))
        texts, marks = zip(*found, strict=True)
        return Planted(texts, marks)


def _passage(pool: Sequence[Sequence[str]], count: int, draw: np.random.Generator) -> list[str]:
    """Return so many sentences of another text in a row, from its first on where it is short."""
    text = [each.strip() for each in pool[int(draw.integers(0, len(pool)))]]
    first = int(draw.integers(0, max(1, len(text) - count + 1)))
    return text[first : first + count]


def _link(draw: np.random.Generator) -> str:
    first, second, third = (WORDS[place] for place in draw.integers(0, len(WORDS), 3))
    host, number = HOSTS[int(draw.integers(0, len(HOSTS)))], int(draw.integers(1, 100_000))
    return f"https://{host}/{first}/{second}-{number}?ref={third}"


def _code(draw: np.random.Generator) -> str:
    words = [WORDS[place] for place in draw.integers(0, len(WORDS), 3)]
    return CODE[int(draw.integers(0, len(CODE)))].format(*words, int(draw.integers(1, 100_000)))
