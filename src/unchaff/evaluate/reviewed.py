"""What a person decided about the run before, and what came of it in this one."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Others:
    """The samples nobody decided about, before the review and after it."""

    number: int
    noise_before: float  # share that looks wrong
    noise_after: float
    kept_now: int  # that were set aside
    set_aside_now: int  # that were kept

    @property
    def said(self) -> str:
        """What changed, in a sentence."""
        return (
            f"Of the {self.number} samples nobody decided about, {self.noise_before:.1%} looked wrong and "
            f"{self.noise_after:.1%} do now; {self.kept_now} of them came to be kept, {self.set_aside_now} "
            "to be set aside."
        )


@dataclass(frozen=True, kw_only=True)
class Review:
    """Decisions of a person about the samples of an earlier run."""

    run: str  # the earlier run, as it was named
    kept: int
    dropped: int
    relabelled: int
    sha256: str  # of all decisions: who was decided about, and how
    accuracy_before: float | None  # of the earlier run; None: not measured on as much of the same kind
    noise_before: float | None  # that it estimated, of all samples
    others: Others | None  # None: none, or this run judges no sample

    @property
    def number(self) -> int:
        """How many samples were decided about."""
        return self.kept + self.dropped + self.relabelled

    @property
    def said(self) -> tuple[str, ...]:
        """What was decided and what it changed, a sentence each."""
        decided = (
            f"A person decided about {self.number} samples of {self.run}: {self.kept} kept, {self.dropped} "
            f"dropped, {self.relabelled} relabelled. Detection and calibration are measured on the others."
        )
        return (decided,) if self.others is None else (decided, self.others.said)
