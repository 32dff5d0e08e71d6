"""Why a cell is not what its column asks for."""


class CellProblem(ValueError):
    """A cell that its column cannot hold; the text is the reason, for a person."""
