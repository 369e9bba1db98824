"""Proof that fanwise draws what torch.nn.init and the layers of torch.nn draw.

``python -m parity`` runs four kinds of checks over one table of cases and prints one row for each
initializer, and three more with a row for each layer and model in each framework; pytest collects
the same checks. Both need torch and fail without it. Fixed seeds by default, ``FANWISE_SEED``
for others.

* ``exact``: the arguments that torch's own functions pass to its samplers equal ours.
* ``structural``: identity, Dirac, sparse and orthogonal weights have torch's structure.
* ``statistical``: samples of both sides follow the same law.
* ``power``: planted errors are caught by the checks above.
* ``layers``: fanwise's table of layers is torch's, in names, shapes, draws, their order and their
  values; layers of other frameworks start as torch's, and filled with torch's parameters they
  compute the same.
* ``models``: every array of a whole model starts as the parameter of torch's model does.
* ``porting``: what torch's constructors ask for is recorded, models are matched, weights give the
  same outputs, recorded starts follow the recorded laws, and faulty ports are found out.
"""
