"""fan_in or fan_out? What each rule does to eight networks, and whether training noticed.

``python -m examples.choose_mode`` prints for every network the signal at the start under each
rule, the recommendation, and what a short training run made of it; nothing is downloaded.
``--write docs/choosing.md`` puts the figures into the document and the plots beside it.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from examples.choosing.curves import draw, shrink
from examples.choosing.document import filled
from examples.choosing.families import FAMILIES, family
from examples.choosing.report import bounds_of, fans_compared, signal_and_training, verdict
from examples.choosing.study import measured, trained


def main(arguments: Sequence[str] | None = None) -> None:
    """Run it."""
    options = _options(arguments)
    parts = {}
    plots = options.plots
    if options.write:
        plots = options.write.with_suffix("")
    if plots:
        plots.mkdir(parents=True, exist_ok=True)
    for name in options.models:
        begun = time.perf_counter()
        chosen = family(name, options.quick)
        print(f"\n{chosen.title}\n{'=' * len(chosen.title)}\n", flush=True)
        compared = measured(chosen, options.seed, options.seeds)
        print(f"{compared}\n", flush=True)
        runs, bounds = trained(chosen, options.seed, options.seeds)
        said = [
            signal_and_training(compared, runs, chosen),
            f"Signal: {verdict(compared)}",
            f"Training: {fans_compared(runs)} {bounds_of(bounds, chosen)}",
        ]
        print("\n\n".join(said))
        print(f"\n({time.perf_counter() - begun:.0f} s)", flush=True)
        if plots:
            spread = f"(geometric mean and range over {options.seeds} seeds)"
            title = f"{chosen.title}: signal at the start\n{spread}"
            compared.plot(plots / f"{name}.png", title)
            draw(runs, chosen, plots / f"{name}_training.png")
            shrink(plots / f"{name}.png")
            shrink(plots / f"{name}_training.png")
        parts[name] = "\n\n".join(said)
    if options.write:
        options.write.write_text(filled(options.write.read_text(), parts))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.choose_mode", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"any of {', '.join(FAMILIES)}; all if none"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the data and of the first start")
    parser.add_argument("--seeds", type=int, default=4, help="how often each rule starts a model")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="where to write pictures")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT", help="whose figures to renew")
    parser.add_argument("--quick", action="store_true", help="small models and few steps")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.models if name not in FAMILIES]
    if unknown:
        parser.error(f"models must be of {', '.join(FAMILIES)}, got {', '.join(unknown)}")
    options.models = options.models or FAMILIES
    return options


if __name__ == "__main__":
    main()
