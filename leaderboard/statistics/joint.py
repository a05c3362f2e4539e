"""The joint effect: how one kind of span depends on architecture and granularity together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaderboard.groups import Group
from leaderboard.statistics.curves import finished
from leaderboard.statistics.decomposition import SOURCES, Share, decompose, refusal
from leaderboard.statistics.elasticity import Elasticity, elasticity, read
from leaderboard.statistics.kinds import RECALL, Kind

NOTE = """\
γ = d log span / d log (bytes per token), with a 95% interval over seeds and the grid: 1 is a fixed number of tokens, \
0 a fixed amount of text. Spans at the grid's ends enter as bounds; where fewer than three are known (granularities \
within 5% of one another count as one), only a bound is given."""
SHARES = """\
Share of the variance of log2 span, bytes, with a 95% interval that allows for the grid's rounding; the seeds' noise \
is taken off the others. One seed: interaction and seeds stand together under interaction. ‡: some spans are only \
bounds, and count at their bound."""


@dataclass(frozen=True)
class JointEffect:
    """γ of each model (None: fewer than two granularities), and the shares of log2 span's variance or why none."""

    elasticities: dict[str, Elasticity | None]
    shares: dict[str, Share] | str
    n_known: int  # cells whose span is known, not merely bounded
    n_spans: int  # of so many

    def share_row(self) -> list[str] | None:
        """A share for each of SOURCES, as text; None where there are none."""
        if isinstance(self.shares, str):
            return None
        bound = "‡" * (self.n_known < self.n_spans)
        return [self.shares[k].text() + bound if k in self.shares else "–" for k in SOURCES]


def joint_effect(groups: Sequence[Group]) -> JointEffect:
    """Of the cells of one kind of span on one text: models × tokenizers, each a group of seeds."""
    kind = _read_once(groups[0].kind if groups else RECALL, groups)
    by_model = {model: [g for g in groups if g.model == model] for model in sorted({g.model for g in groups})}
    elasticities = {
        model: elasticity([(g.bytes_per_token, g.records) for g in members if g.bytes_per_token], kind)
        for model, members in by_model.items()
    }
    found = [g.span for g in groups if g.span.n_seeds]
    n_known = sum(span.censor == "none" for span in found)
    return JointEffect(elasticities, _shares(groups, kind) if n_known else "no span is known", n_known, len(found))


def _read_once(kind: Kind, groups: Sequence[Group]) -> Kind:
    """The same spans and readings, of which groups hold theirs."""
    found = {r.id: (g.span, own) for g in groups for r, own in zip(finished(g.records), g.readings, strict=True)}
    return replace(kind, span=lambda records: found[records[0].id][0], reading=lambda record: found[record.id][1])


def _shares(groups: Sequence[Group], kind: Kind) -> dict[str, Share] | str:
    points = {(g.model, g.measure.tokenizer): read([(g.bytes_per_token or 1.0, g.records)], kind) for g in groups}
    cells = {key: found.log2_span.tolist() for key, found in points.items()}
    step = max((found.step for found in points.values()), default=0.0)
    return refusal(cells) or decompose(cells, step)
