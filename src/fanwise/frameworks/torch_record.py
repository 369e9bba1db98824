"""Records what a torch constructor asks for, on tensors that take no memory."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from fanwise.frameworks.torch_record_fake import OtherDeviceError, usable
from fanwise.frameworks.torch_record_functions import replaced
from fanwise.frameworks.torch_record_mode import ReadsRandomError, Recorder, TooLargeError
from fanwise.frameworks.torch_record_python import element_by_element
from fanwise.frameworks.torch_record_restored import restored
from fanwise.frameworks.torch_record_state import recipe_of
from fanwise.recording import Recipe
from fanwise.recording.expression import Literal

__all__ = ["record"]

_SEEDED = (
    "the constructor seeds a generator of torch: what it draws is recorded as random all the same"
)

_RUNNING = threading.Lock()

# Constructors that read values are run as often on real tensors: what is read has to make no
# difference to what is recorded.
_REAL_SEEDS = (0, 1, 2)


def record(factory: Callable[[], nn.Module], *, real_limit: int = 2**26) -> Recipe:
    """Run a constructor without memory, and note what every parameter and buffer gets.

    Every operation of torch is seen, however it is called: the functions of ``torch.nn.init``, the
    methods of tensors, factory functions, assignments to slices, deep copies, reparametrizations.
    What a tensor ends with is a Distribution where it is drawn independently of all others; else
    an Expression of draws, and tensors with a draw in common hold the same one.

    Code that reads the values of what it has drawn is run on real tensors instead, three times, and
    the recipe's notes say so; what it reads must make no difference to what is recorded.

    Random numbers of numpy, Python and the operating system are noticed, and refused where they
    make a difference. What a clock or a ``random.Random()`` of one's own gives is not, and taken
    for a constant.

    Not seen is what numpy writes into an array after a tensor was made of it that shares its memory
    (``torch.from_numpy``). Tensors that the constructor puts into caches of the user's, such as
    those of ``functools.lru_cache``, have no numbers in them afterwards: clear such caches.

    Args:
        factory: makes the module: its class, or a function without arguments. It may be run more
            than once.
        real_limit: elements that real tensors may have, all together, where they are needed.

    Returns:
        The recipe. torch's generators and settings are as they were before, and so are numpy's and
        Python's generators.

    Raises:
        TypeError: if ``factory`` is not callable, or returns no module.
        ValueError: naming each parameter and persistent buffer that holds what cannot be
            expressed, or depends on numpy's or Python's random numbers, or on values read. Also
            if the module was made before; if it is initialized in another thread; if draws are
            repeated, by a seed or a state of the generator.
        RuntimeError: if there is a recording already, in this thread or another.

    Example:
        >>> recipe = record(lambda: nn.Linear(100, 3))
        >>> print(recipe)
        weight  (3, 100)          Uniform(-0.1, 0.1)
        bias    (3,)              Uniform(-0.1, 0.1)
    """
    if not callable(factory):
        raise TypeError(
            f"factory must be a function that makes a torch.nn.Module, got {factory!r} of type "
            f"{type(factory).__name__}; write lambda: module_class(...)"
        )
    if isinstance(factory, nn.Module):
        raise TypeError(
            "factory must be a function that makes a torch.nn.Module, got a module, which has "
            "been made already; write lambda: module_class(...)"
        )
    if not _RUNNING.acquire(blocking=False):
        raise RuntimeError(
            "a constructor is being recorded already, and only one can be at a time; call record "
            "after the other has returned, outside of its factory"
        )
    try:
        cause: _UnderFakeError | None = None
        try:
            run = _recorded(factory, is_fake=True)
            if run.is_outside:
                again = _recorded(factory, is_fake=True, seed=1)
                _require_same(run.recipe, again.recipe)
                return _noting_what_was_there(run, again)
        except _UnderFakeError as error:
            cause = error
        if cause is not None:  # outside of the handler: what it raises has causes of its own
            return _on_real_tensors(factory, cause, real_limit)
        return run.recipe
    finally:
        _RUNNING.release()


class _UnderFakeError(Exception):
    """The constructor did not get through without real values."""

    def __init__(self, reason: str, error: Exception) -> None:
        super().__init__(reason)
        self.error = error


@dataclass(frozen=True)
class _Run:
    """A run of the constructor, and whether it has used what is not torch's, or not seen."""

    recipe: Recipe
    recorder: Recorder
    module: nn.Module
    is_outside: bool


def _recorded(
    factory: Callable[[], nn.Module],
    *,
    is_fake: bool,
    seed: int | None = None,
    limit: int = 0,
    notes: tuple[str, ...] = (),
) -> _Run:
    fake = FakeTensorMode(allow_non_fake_inputs=True) if is_fake else None
    recorder = Recorder(fake, limit)
    with restored(seed) as outside, closing(recorder.streams):
        try:
            with _modes(recorder):
                module = factory()
        except Exception as error:
            _require_one_thread(recorder)
            if is_fake:
                raise _UnderFakeError(_reason(recorder, error), error) from error
            raise
        _require_one_thread(recorder)
        if is_fake and recorder.reads:
            # The constructor has caught the error, and gone on without the value.
            lost = ReadsRandomError(recorder.reads[0])
            raise _UnderFakeError(_reason(recorder, lost), lost)
        has_moved = outside.has_moved()
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"factory must return a torch.nn.Module, got {module!r} of type "
                f"{type(module).__name__}"
            )
        if recorder.streams.repeated_seed is not None:
            raise ValueError(
                f"the constructor draws more than once from the seed "
                f"{recorder.streams.repeated_seed}, or from a state that its generator is set "
                f"back to (set_rng_state, fork_rng), so that draws are equal which a recipe would "
                f"hold to be independent; copy the tensor instead, or seed once"
            )
        if recorder.streams.is_seeded:
            notes = (*notes, _SEEDED)
        with _modes(recorder):
            recipe = recipe_of(module, recorder, notes)
        return _Run(recipe, recorder, module, has_moved or recorder.is_outside)


def _require_one_thread(recorder: Recorder) -> None:
    """What another thread has raised stays there."""
    if recorder.elsewhere:
        raise ValueError(
            f"the constructor calls {recorder.elsewhere[0]} on its tensors in another thread, "
            f"where nothing is recorded; initialize in the thread that calls record"
        )


@contextmanager
def _modes(recorder: Recorder) -> Iterator[None]:
    with ExitStack() as stack:
        if recorder.fake is not None:
            stack.enter_context(usable(recorder.fake, recorder.elsewhere))
            stack.enter_context(recorder.fake)
        stack.enter_context(replaced(recorder))
        stack.enter_context(element_by_element(recorder))
        stack.enter_context(recorder)
        yield


def _reason(recorder: Recorder, error: Exception) -> str:
    if recorder.reads:
        return f"the constructor reads values that are drawn ({recorder.reads[0]})"
    if isinstance(error.__cause__, OtherDeviceError):  # torch says only that it could not
        error = error.__cause__
    return f"the constructor does not run without values ({type(error).__name__}: {error})"


def _on_real_tensors(
    factory: Callable[[], nn.Module], cause: _UnderFakeError, limit: int
) -> Recipe:
    """Record on real tensors, and refuse if what was read made a difference."""
    note = f"recorded on real tensors, as {cause}"
    recipes = []
    for seed in _REAL_SEEDS:
        try:
            run = _recorded(factory, is_fake=False, seed=seed, limit=limit, notes=(note,))
        except TooLargeError:
            raise ValueError(
                f"{cause}, and on real tensors it takes more than real_limit={limit} elements; "
                f"record a smaller model of the same kind, pass a larger real_limit, or take the "
                f"reading out of the constructor"
            ) from cause.error
        recipes.append(run.recipe)
    for other in recipes[1:]:
        _require_same(recipes[0], other, str(cause))
    return recipes[0]


def _require_same(recipe: Recipe, again: Recipe, cause: str = "") -> None:
    """Refuse what differs between two recordings of one constructor."""
    names = dict.fromkeys([*recipe.tensors, *again.tensors])
    differing = [n for n in names if recipe.tensors.get(n) != again.tensors.get(n)]
    if not differing and recipe.ties == again.ties:
        return
    shown = "\n".join(
        f"  {name}: {_shown(recipe, name)}; then {_shown(again, name)}" for name in differing
    )
    reason = cause or (
        "they depend on numbers that torch did not draw (numpy, Python's random, another thread)"
    )
    raise ValueError(
        f"not the same when the constructor runs again: {', '.join(differing[:1])}"
        f"{f' and {len(differing) - 1} more' if len(differing) > 1 else ''}, as {reason}; draw "
        f"with torch, and do not let values that were read decide what is written:\n{shown}"
    )


def _noting_what_was_there(run: _Run, again: _Run) -> Recipe:
    """Say which parameters are numbers of tensors that both runs have found."""
    both = run.recorder.memory.outside & again.recorder.memory.outside
    there = {data for _, data in both}
    names = [
        name
        for name, each in run.recipe.tensors.items()
        if not each.is_buffer and isinstance(each.value, Literal) and each.value.data in there
    ]
    if not names:
        return run.recipe
    shown = ", ".join([*names[:3], *([f"{len(names) - 3} more"] if len(names) > 3 else [])])
    if run.module is again.module:
        raise ValueError(
            f"the module was made before the recording, and {shown} hold the numbers that were "
            f"drawn then, which would be the same for every key; pass the function that makes it"
        )
    note = (
        f"these hold numbers that were there before the recording, the same for every key, for "
        f"which the function that draws them must be part of the factory: {shown}"
    )
    return replace(run.recipe, notes=(*run.recipe.notes, note))


def _shown(recipe: Recipe, name: str) -> Any:
    return recipe.tensors[name].value if name in recipe.tensors else "missing"
