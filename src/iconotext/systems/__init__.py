"""One page a system; the table of them all."""

from iconotext.models.system import System
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

SYSTEMS: dict[str, System] = {page.name: page for page in (UNITER, VILBERT)}
