"""What a review changed: the decisions of a person, and the numbers before them and after."""

from unchaff.evaluate.reviewed import Review
from unchaff.report.views import Fact, Table
from unchaff.report.words import NONE, count, percent
from unchaff.runs.told import Told


def review_sentences(run: Told) -> tuple[str, ...]:
    """Return what was decided, and what became of the other samples; nothing where nobody decided."""
    review = run.measured.review
    return () if review is None else review.said


def review_table(run: Told) -> Table | None:
    """Return the accuracy and the estimated noise of the run before, and of this one."""
    review, split = run.measured.review, run.outcome.partition
    if review is None:
        return None
    now = run.measured.after or run.measured.before
    rows = [("accuracy", review.accuracy_before, None if now is None else now.accuracy)]
    if split is not None:
        rows.append(("noise, all samples", review.noise_before, split.noise_rate))
    if review.others is not None:
        rows.append(("noise, undecided", review.others.noise_before, review.others.noise_after))
    cells = tuple((name, _share(before), _share(after)) for name, before, after in rows)
    return Table("Before the review and after it", ("measure", "before", "now"), cells, strong=2)


def review_fact(review: Review) -> Fact:
    """Return how many samples were decided about, and how."""
    numbers = {"kept": review.kept, "dropped": review.dropped, "relabelled": review.relabelled}
    ways = ", ".join(f"{count(number)} {way}" for way, number in numbers.items())
    return Fact("Decided by a person", count(review.number), ways)


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)
