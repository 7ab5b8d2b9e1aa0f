"""Where things are. Tests run in this checkout and write nowhere else but temporary directories."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
E2E = ROOT / "tests" / "e2e"
FUNCTIONS = E2E / "functions"
TOOLS = ROOT / ".tools"
#: What tools/setup-languages.sh gets.
LANGUAGES = TOOLS / "languages"
#: Honours CARGO_TARGET_DIR as cargo does.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
HEARTH = Path(os.environ.get("HEARTH_BIN", TARGET / "debug" / "hearth"))
