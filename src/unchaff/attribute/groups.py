"""What may set two groups of inputs apart, other than that one of them is spoiled."""

import torch
from jaxtyping import Float, Int
from sklearn.metrics import roc_auc_score
from torch import Tensor

EXPLAINED = 0.9  # AUROC of telling the worse clips by how short they are, from which on that is all
WHOLE = 0.9  # share of a class in the worse group, from which on it is the class that is unlike the others


def by_length(filled: Float[Tensor, " n"], worse: Float[Tensor, " n"]) -> bool:
    """Return whether length may be all that sets two groups of clips or sequences apart.

    It may not where the worse are the longer: noise fills the silence behind a clip.

    Args:
        filled: how much of its places each fills.
        worse: probability that it is of the worse group.
    """
    is_worse = (worse > 0.5).numpy()
    if is_worse.all() or not is_worse.any():
        return False
    return float(roc_auc_score(is_worse, filled.numpy())) <= 1 - EXPLAINED


def by_class(evidence: Float[Tensor, " n"], labels: Int[Tensor, " n"], worse: Float[Tensor, " n"]) -> bool:
    """Return whether the worse group may be that of some classes, whose inputs look like no others'.

    Read in the classes that have more than their share of it. Either they are in it as a whole, or, where
    labels are wrong, those of them that are in it are the ones whose labels are confirmed: the others came
    to the class by a wrong label. Where inputs are spoiled it is the other way round in every class.

    Args:
        evidence: how far the given label is confirmed; higher is more.
        labels: as given.
        worse: probability that it is of the worse group.
    """
    classes, given = torch.unique(labels, return_inverse=True)

    def of_class(each: Float[Tensor, " n"]) -> Float[Tensor, " classes"]:
        return torch.zeros(len(classes), dtype=torch.float64).index_add(0, given, each.double())

    inside, outside = of_class(worse), of_class(1 - worse)
    share = inside / (inside + outside)
    many = share > worse.double().mean()
    if not many.any():
        return False
    if float((share * inside)[many].sum() / inside[many].sum()) > WHOLE:
        return True
    ahead = of_class(evidence * worse) / inside - of_class(evidence * (1 - worse)) / outside
    both = many & (inside > 0) & (outside > 0)
    return float((inside * outside / (inside + outside) * ahead)[both].sum()) > 0
