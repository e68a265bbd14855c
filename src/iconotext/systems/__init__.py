"""One page a system; the table of them all."""

from iconotext.models.system import System
from iconotext.systems.bert import BERT
from iconotext.systems.lxmert import LXMERT
from iconotext.systems.twelve_in_one import TWELVE_IN_ONE
from iconotext.systems.unimo import UNIMO
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT
from iconotext.systems.visualbert import VISUALBERT

SYSTEMS: dict[str, System] = {
    page.name: page
    for page in (
        BERT,
        VISUALBERT,
        UNIMO,
        UNITER,
        VILBERT,
        LXMERT,
        TWELVE_IN_ONE,
    )
}
