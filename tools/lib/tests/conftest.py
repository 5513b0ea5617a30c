"""Makes the programs under test importable."""

import sys
from pathlib import Path

LIB = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(LIB))
