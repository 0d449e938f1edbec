"""Vector steps of the kernels that a compiler does not find by itself, as intrinsics for numba.

They are written in LLVM's own generic vectors, which every processor can be compiled for: one
with AVX-512 does each in a handful of instructions, any other has them split by the compiler.
What only some processors do well stands behind a flag here and has a plain loop beside its use.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

BYTE, HALF, WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
BYTES = ir.VectorType(BYTE, 64)
BITS = ir.VectorType(ir.IntType(1), 64)
LANES = 16
HALVES = ir.VectorType(HALF, LANES)

_FEATURES = binding.get_host_cpu_features()
COMPRESSES = binding.llvm_version_info >= (20,) and bool(_FEATURES.get("avx512vbmi2"))
"""Whether the processor packs the marked bytes of a vector in one instruction."""
AT_ONCE = 128 if _FEATURES.get("avx512f") else 32
"""As many minima as registers hold, beside their multipliers and increments."""

Generate = Callable[[Any, Any, Any, Any], Any]


def _all(vector: Any, value: int) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _everywhere(builder: Any, vector: Any, value: Any) -> Any:
    """A vector with `value` in each lane."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(HALF, 0))
    return builder.shuffle_vector(first, nothing, _all(ir.VectorType(HALF, vector.count), 0))


def _place(context: Any, builder: Any, vector: Any, kind: Any, array: Any, at: Any) -> Any:
    """Where array[at] begins, as the address of a `vector`."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())


def _high_mask(typing: Any, array: Any, at: Any) -> tuple[Any, Generate]:
    """Bit i says whether array[at + i] is 128 or more, for 64 bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, BYTES, signature.args[0], *arguments)
        loaded = builder.load(place, align=1)
        return builder.bitcast(builder.icmp_signed("<", loaded, _all(BYTES, 0)), WORD)

    return types.uint64(array, types.int64), generate


def _word_mask(typing: Any, array: Any, at: Any) -> tuple[Any, Generate]:
    """Bit i says whether array[at + i] is not 0, for 64 bytes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, BYTES, signature.args[0], *arguments)
        loaded = builder.load(place, align=1)
        return builder.bitcast(builder.icmp_unsigned("!=", loaded, _all(BYTES, 0)), WORD)

    return types.uint64(array, types.int64), generate


def _within(builder: Any, loaded: Any, first: int, count: int) -> Any:
    distance = builder.sub(loaded, _all(BYTES, first))
    return builder.icmp_unsigned("<", distance, _all(BYTES, count))


def _fold_words(typing: Any, source: Any, at: Any, folded: Any, to: Any) -> tuple[Any, Generate]:
    """64 bytes of ASCII as words: lower case, 0 for what is none; bit i says which are words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, BYTES, signature.args[0], *arguments[:2])
        loaded = builder.load(place, align=1)
        lower = builder.or_(loaded, _all(BYTES, 0x20))
        is_letter = _within(builder, lower, ord("a"), 26)
        others = builder.or_(
            _within(builder, loaded, ord("0"), 10), _within(builder, loaded, ord("_"), 1)
        )
        is_word = builder.or_(is_letter, others)
        words = builder.select(is_word, builder.select(is_letter, lower, loaded), _all(BYTES, 0))
        target = _place(context, builder, BYTES, signature.args[2], *arguments[2:])
        builder.store(words, target, align=1)
        return builder.bitcast(is_word, WORD)

    return types.uint64(source, types.int64, folded, types.int64), generate


def _fold_text(typing: Any, source: Any, at: Any, folded: Any, to: Any) -> tuple[Any, Generate]:
    """64 bytes of ASCII in lower case, and a space for every control."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, BYTES, signature.args[0], *arguments[:2])
        loaded = builder.load(place, align=1)
        is_capital = _within(builder, loaded, ord("A"), 26)
        is_control = builder.or_(
            _within(builder, loaded, 0, 0x20), _within(builder, loaded, 0x7F, 1)
        )
        lower = builder.select(is_capital, builder.or_(loaded, _all(BYTES, 0x20)), loaded)
        text = builder.select(is_control, _all(BYTES, 0x20), lower)
        target = _place(context, builder, BYTES, signature.args[2], *arguments[2:])
        builder.store(text, target, align=1)
        return context.get_dummy_value()

    return types.void(source, types.int64, folded, types.int64), generate


def _clear(typing: Any, folded: Any, at: Any) -> tuple[Any, Generate]:
    """Set the 128 bytes from folded[at] on to 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at = arguments
        for start in range(0, 128, BYTES.count):
            place = builder.add(at, ir.Constant(WORD, start))
            target = _place(context, builder, BYTES, signature.args[0], array, place)
            builder.store(_all(BYTES, 0), target, align=1)
        return context.get_dummy_value()

    return types.void(folded, types.int64), generate


def _raise_minima(typing: Any, minima: Any, at: Any) -> tuple[Any, Generate]:
    """Set the 128 uint32 from minima[at] on to the greatest."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, at = arguments
        for start in range(0, 128, LANES):
            place = builder.add(at, ir.Constant(WORD, start))
            target = _place(context, builder, HALVES, signature.args[0], array, place)
            builder.store(_all(HALVES, 0xFFFFFFFF), target, align=1)
        return context.get_dummy_value()

    return types.void(minima, types.int64), generate


def _put_places(typing: Any, mask: Any, base: Any, places: Any, to: Any) -> tuple[Any, Generate]:
    """Write base + i to places[to...] for each set bit i; up to 64 places are overwritten.

    Returns `to` moved on by the bits that were set. Fit for processors of `COMPRESSES`.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, start, array, to = arguments
        name = "llvm.experimental.vector.compress.v64i8"
        compress = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(BYTES, [BYTES, BITS, BYTES]), name
        )
        nothing = ir.Constant(BYTES, ir.Undefined)
        numbers = ir.Constant(BYTES, list(range(64)))
        packed = builder.call(compress, [numbers, builder.bitcast(bits, BITS), nothing])
        shift = _everywhere(builder, HALVES, builder.trunc(start, HALF))

        def store(quarter: int) -> None:
            first = quarter * LANES
            chosen = ir.Constant(HALVES, list(range(first, first + LANES)))
            part = builder.zext(builder.shuffle_vector(packed, nothing, chosen), HALVES)
            at = builder.add(to, ir.Constant(WORD, first))
            target = _place(context, builder, HALVES, signature.args[2], array, at)
            builder.store(builder.add(part, shift), target, align=1)

        count = builder.ctpop(bits)
        store(0)
        store(1)
        with builder.if_then(builder.icmp_unsigned(">", count, ir.Constant(WORD, 32))):
            store(2)
            store(3)
        return builder.add(to, count)

    return types.int64(types.uint64, types.int64, places, types.int64), generate


def _lower(
    typing: Any, mixed: Any, count: Any, a: Any, b: Any, minima: Any, at: Any
) -> tuple[Any, Generate]:
    """Lower the 128 uint32 at minima[at] to the least a*h + b over the first `count` (>= 1) of h.

    Source: datasketch 2.0, scheme affine32. The overflow is the modulus, and every `a` is odd:
    widening these types would break it. The minima stay in registers over all of h.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for first in range(0, 128, AT_ONCE):
            _lower_some(context, builder, signature.args, arguments, first)
        return context.get_dummy_value()

    return types.void(mixed, types.int64, a, b, minima, types.int64), generate


def _lower_some(context: Any, builder: Any, kinds: Any, arguments: Any, first: int) -> None:
    mixed, count, a, b, minima, at = arguments
    starts = [ir.Constant(WORD, lane) for lane in range(first, first + AT_ONCE, LANES)]

    def vectors(kind: Any, array: Any, begins: list[Any]) -> list[Any]:
        return [_place(context, builder, HALVES, kind, array, begin) for begin in begins]

    multipliers = [builder.load(place, align=1) for place in vectors(kinds[2], a, starts)]
    increments = [builder.load(place, align=1) for place in vectors(kinds[3], b, starts)]
    places = vectors(kinds[4], minima, [builder.add(at, start) for start in starts])
    before = [builder.load(place, align=1) for place in places]
    entry, loop, done = (
        builder.block, builder.append_basic_block("lower"), builder.append_basic_block("lowered")
    )  # fmt: skip
    builder.branch(loop)
    builder.position_at_end(loop)
    number = builder.phi(WORD)
    number.add_incoming(ir.Constant(WORD, 0), entry)
    least = [builder.phi(HALVES) for _ in starts]
    data = context.make_array(kinds[0])(context, builder, mixed).data
    value = _everywhere(builder, HALVES, builder.load(builder.gep(data, [number])))
    after = []
    for phi, old, m, c in zip(least, before, multipliers, increments, strict=True):
        permuted = builder.add(builder.mul(value, m), c)
        after.append(builder.select(builder.icmp_unsigned("<", permuted, phi), permuted, phi))
        phi.add_incoming(old, entry)
        phi.add_incoming(after[-1], loop)
    following = builder.add(number, ir.Constant(WORD, 1))
    number.add_incoming(following, loop)
    builder.cbranch(builder.icmp_unsigned("<", following, count), loop, done)
    builder.position_at_end(done)
    for place, vector in zip(places, after, strict=True):
        builder.store(vector, place, align=1)


# Their typing context is the compiler's to pass, so that a type checker must not ask for it.
high_mask: Any = intrinsic(_high_mask)
word_mask: Any = intrinsic(_word_mask)
fold_words: Any = intrinsic(_fold_words)
fold_text: Any = intrinsic(_fold_text)
clear: Any = intrinsic(_clear)
raise_minima: Any = intrinsic(_raise_minima)
put_places: Any = intrinsic(_put_places)
lower: Any = intrinsic(_lower)
