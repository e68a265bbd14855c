"""One page a system; the table of them all."""

from iconotext.models.system import System
from iconotext.systems.b2t2 import B2T2
from iconotext.systems.bert import BERT
from iconotext.systems.co_concat import CO_CONCAT
from iconotext.systems.ctrl_lxmert import CTRL_LXMERT
from iconotext.systems.ctrl_uniter import CTRL_UNITER
from iconotext.systems.ctrl_vilbert import CTRL_VILBERT
from iconotext.systems.ctrl_visualbert import CTRL_VISUALBERT
from iconotext.systems.ctrl_vlbert import CTRL_VLBERT
from iconotext.systems.dual_encoder import DUAL_ENCODER
from iconotext.systems.lxmert import LXMERT
from iconotext.systems.single_stream import SINGLE_STREAM
from iconotext.systems.twelve_in_one import TWELVE_IN_ONE
from iconotext.systems.unicoder_vl import UNICODER_VL
from iconotext.systems.unimo import UNIMO
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT
from iconotext.systems.vilt import VILT
from iconotext.systems.visualbert import VISUALBERT
from iconotext.systems.vl_bert import VL_BERT
from iconotext.systems.vlp import VLP

SYSTEMS: dict[str, System] = {
    page.name: page
    for page in (
        BERT,
        VISUALBERT,
        UNICODER_VL,
        VL_BERT,
        B2T2,
        VLP,
        UNIMO,
        UNITER,
        SINGLE_STREAM,
        VILBERT,
        LXMERT,
        TWELVE_IN_ONE,
        CTRL_VISUALBERT,
        CTRL_VLBERT,
        CTRL_UNITER,
        CTRL_VILBERT,
        CTRL_LXMERT,
        VILT,
        CO_CONCAT,
        DUAL_ENCODER,
    )
}
