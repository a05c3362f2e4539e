"""How much a figure or a screen shows: what nobody could read is left out of it, and that is said."""

from collections.abc import Mapping, Sequence

from leaderboard.groups import Group
from leaderboard.reports.tables import ranked

PANELS, LINES = 12, 12  # of a figure: panels, and models in each of them


def drawn(panels: Mapping[str, Sequence[Group]]) -> dict[str, list[Group]]:
    """Of a figure's panels the first PANELS and, of more than LINES models in them, those that recall best."""
    some = dict(list(panels.items())[:PANELS])
    best = {each.model for each in ranked([g for members in some.values() for g in members])[:LINES]}
    kept = {title: [g for g in members if g.model in best] for title, members in some.items()}
    return {title: members for title, members in kept.items() if members}


def left_out(groups: Sequence[Group]) -> str:
    """What figures may not show, as a sentence; empty where they show everything."""
    n_measures, n_models = len({g.measure for g in groups}), len({g.model for g in groups})
    cut = [f"the first {PANELS} of {n_measures} measures"] * (n_measures > PANELS)
    cut += [f"the {LINES} of {n_models} models that recall best in them"] * (n_models > LINES)
    if not cut:
        return ""
    more = "spanbench profile FOLDER --model NAME draws all of one model"
    return f"A figure shows no more than {' and '.join(cut)}; the tables hold them all, and {more}."
