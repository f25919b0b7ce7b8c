"""What the model is explored with: rules of the farm, and a budget of what may happen."""

from tests.model.state import SECOND, Budget, Rules

SCENARIOS = {
    "one fault": (Rules(), Budget(faults=1)),
    "one fault, second pass": (Rules(has_second_pass=True), Budget(faults=1)),
    "one fault, a tile that kills its workers": (Rules(poison=SECOND), Budget(faults=1)),
    "one fault, cancelled": (Rules(), Budget(faults=1, cancels=1)),
    "cancelled and resumed": (Rules(), Budget(cancels=1, resumes=1)),
    "resumed twice": (Rules(poison=SECOND), Budget(resumes=2)),
    "submitted twice": (Rules(), Budget(submits=1)),
}

LARGE_SCENARIOS = {
    "broker of an older state": (Rules(only_fault="goes back"), Budget(faults=1, snapshots=1)),
    "broker emptied while the store is away": (Rules(only_fault="away|emptied"), Budget(faults=2)),
}
