"""How :func:`fanwise.port.check` compares, and how it finds what is wrong."""

from fanwise.porting.checking.causes import Cause
from fanwise.porting.checking.report import Fault, Report, Row
from fanwise.porting.checking.run import run
from fanwise.porting.checking.samples import flax_model

__all__ = ["Cause", "Fault", "Report", "Row", "flax_model", "run"]
