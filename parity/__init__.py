"""Proof that fanwise draws what torch.nn.init draws.

``python -m parity`` runs four kinds of checks over one table of cases and prints one row for each
initializer; pytest collects the same checks. Both need torch and fail without it. Fixed seeds by
default, ``FANWISE_SEED`` for others.

* ``exact``: the arguments that torch's own functions pass to its samplers equal ours.
* ``structural``: identity, Dirac, sparse and orthogonal weights have torch's structure.
* ``statistical``: samples of both sides follow the same law.
* ``power``: planted errors are caught by the checks above.
"""
