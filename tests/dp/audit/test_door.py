"""There is one door for noise: whoever draws past it is not recorded, so nobody else may build a measurement."""

import ast
from pathlib import Path

import pytest

import workbench

ROOT = Path(workbench.__file__).parent
# Libraries that draw noise, who may import them, and why that does not go past the door.
MAY_IMPORT = {
    "opendp": {
        "privacy/dp/noise.py",  # the door
        "privacy/dp/accounting.py",  # conversions of losses; it draws nothing
        "privacy/synthesis/aim.py",  # OpenDP's own measurement from end to end, under its own odometer
    },
    "diffprivlib": {"privacy/dp/models/familiar.py"},  # an allow-list of two, each behind checks of its own
}


def imports(path: Path) -> set[str]:
    """The packages a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_attack_noise_drawn_past_the_door(library):
    importers = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if library in imports(path)}

    assert importers == MAY_IMPORT[library]


def test_nobody_takes_a_measurement_from_the_door():
    """An audit stands in the place of `noise.measurement`; a name taken from there at import would pass it by."""
    taken = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module == "workbench.privacy.dp.noise"
        and "measurement" in {name.name for name in node.names}
    }

    assert taken == set()
