"""What every measure is asked and by which rule it is judged: fixed before any result, in this one place.

Lags and contexts lie on half-octave grids. A change to anything here is a new revision of the protocol.
"""

REVISION = 1
LEVEL = 0.95  # of every interval
MANY = 200  # documents; with fewer, a result is exploratory

# Recall: training and testing a lag
SOLVED = 0.99  # s, twice in a row on validation, at which a training at one lag stops
LEARNED = 0.5  # s from which a lag counts as learned, where the edge of a climb is bisected
LOST = 0.25  # s below which, twice in a row, a climb ends
FINEST = 1.2  # a quarter octave, and what rounding adds: the ratio of two neighbouring lags that ends a bisection
EXTENSION = 4  # retention is tested by half octaves to so many T …
LIMIT = 32  # … and on by octaves to so many T, while the memory holds
HOLDS = 0.5  # s from which it does

# Recall: reading a span off a curve
REACHED = 0.5  # s at the last lag from which a span counts as lying beyond the grid
TRACE = 0.1  # s below which nothing was learned
FIRM = 0.85  # s that S85 asks for

# Context: L(c), and the gain G(c) = L(c/2) − L(c)
C_MAX = 4  # contexts are scored by half octaves up to T, and on by octaves to so many T where documents are that long
EPSILON = 0.01  # bits per byte that a doubling of the context must bring
EPSILONS = (0.003, 0.01, 0.03)  # shown beside it; the whole curve of the span against ε is always written
EPSILON_CURVE = tuple(10 ** (k / 8 - 3) for k in range(17))  # .001 … .1
DEVIATES = 10_000  # simulated for the simultaneous limits of G
N_FOREIGN = 256  # blocks that are also scored after another document's text

# Influence and gradient profile
N_TARGETS = 128  # examples, or target blocks, each of a document of its own where there are as many
WIDTH = 8  # bytes of text that are replaced, or the least whole number of tokens that has as many
WINDOW = 32  # bytes of text whose prediction is watched
FAINT = 0.01  # share of the greatest influence below which it counts as gone
MASS = 0.95  # share of the influence, summed over all lags, that lies within the span of its mass
LEAK = 1e-3  # share of the greatest influence that a change of the future may seem to have
DRAWS = 1000  # of the documents, for intervals by the bootstrap

# Memory audit, at a quarter of T
N_AUDIT = 256  # examples for each figure
SHIFTS = (0, 1, 2, 3)  # of the source, in quarters of T: the last example ends at T
LOSS = 0.1  # of s that a shift or a perturbation may cost
PENALTIES = tuple(10.0**k for k in range(-6, 4))  # of reading a state by ridge regression
DECODED = 0.5  # s of a linear reading of the state from which the answer counts as linearly decodable

# Joint effect
ENOUGH = 3  # granularities with a known span that an elasticity asks for
ALIKE = 1.05  # granularities whose bytes per token are within this factor count as one

# Calibration, against systems whose span is known
AGREES = 0.03  # relative error that a figure with a closed form may have
COVERS = 0.93  # of simulated intervals of 95% that must hold the truth
FALSE = 0.05  # of trials where nothing is to be found in which something may be
TRIALS = 1000  # simulated for a coverage
