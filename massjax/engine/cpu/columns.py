"""Vectors of `COLUMNS` numbers as a type of numba, one number a candidate, held in registers.

LLVM finds vectors in loops over arrays only where it can show that the arrays do not overlap, and keeps sums in memory between the loops.
With vectors as values of their own, a kernel is written once for one candidate and runs for all of them. Each function below is one
instruction of LLVM, which cuts the vectors to the width of the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from massjax.engine.cpu import COLUMNS

_ELEMENTS = {types.float32: ir.FloatType(), types.int32: ir.IntType(32), types.boolean: ir.IntType(1)}


class Columns(types.Type):
    """The numba type of a vector of `COLUMNS` numbers of type `of`: float32, int32 or boolean."""

    def __init__(self, of: Any) -> None:
        self.of = of
        super().__init__(name=f"Columns({of})")


@register_model(Columns)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, columns: Columns) -> None:
        super().__init__(manager, columns, _vector(columns.of))


FLOATS, INTS, FLAGS = Columns(types.float32), Columns(types.int32), Columns(types.boolean)


def _vector(of: Any) -> Any:
    return ir.VectorType(_ELEMENTS[of], COLUMNS)


def _place(context: Any, builder: Any, array: Any, values: Any, start: Any) -> Any:
    """Pointer to the vector of `COLUMNS` numbers that begins at element `start` of an array."""
    data = context.make_array(array)(context, builder, values).data
    return builder.bitcast(builder.gep(data, [start]), _vector(array.dtype).as_pointer())


def _row(builder: Any, row: Any) -> Any:
    return builder.mul(row, ir.Constant(row.type, COLUMNS))


@intrinsic
def load_row(typing: Any, array: Any, row: Any) -> Any:
    """Read a row of an array [rows, COLUMNS] that is contiguous in memory."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, array, arguments[0], _row(builder, arguments[1])), align=4)

    return Columns(array.dtype)(array, types.intp), generate


@intrinsic
def load_from(typing: Any, array: Any, start: Any) -> Any:
    """Read `COLUMNS` successive elements, from element `start` on, of an array that is contiguous in memory."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, array, *arguments), align=4)

    return Columns(array.dtype)(array, types.intp), generate


@intrinsic
def store_row(typing: Any, array: Any, row: Any, columns: Any) -> Any:
    """Write a vector to a row of an array [rows, COLUMNS] that is contiguous in memory."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, array, arguments[0], _row(builder, arguments[1])), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, Columns(array.dtype)), generate


def _spread(builder: Any, of: Any, number: Any) -> Any:
    nothing = ir.Constant(_vector(of), ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), COLUMNS), None))


@intrinsic
def floats(typing: Any, number: Any) -> Any:
    """A vector with the same float32 in every column."""
    return FLOATS(types.float32), lambda context, builder, signature, arguments: _spread(builder, types.float32, arguments[0])


@intrinsic
def ints(typing: Any, number: Any) -> Any:
    """A vector with the same int32 in every column."""
    return INTS(types.int32), lambda context, builder, signature, arguments: _spread(builder, types.int32, arguments[0])


def _operation(arguments: int, result: Columns | None, emit: Callable[..., Any]) -> Any:
    """A numba function of vectors of one type, from the LLVM code of its result.

    Args:
        arguments: how many vectors it takes, 1 to 3.
        result: the type of what it returns; None = that of its arguments.
        emit: called as `emit(builder, whether the arguments are floats, *vectors)`.
    """

    def generator(columns: Any) -> Callable[..., Any]:
        return lambda context, builder, signature, values: emit(builder, columns.of == types.float32, *values)

    def unary(typing: Any, x: Any) -> Any:
        return (result or x)(x), generator(x)

    def binary(typing: Any, x: Any, y: Any) -> Any:
        return (result or x)(x, y), generator(x)

    def ternary(typing: Any, x: Any, y: Any, z: Any) -> Any:
        return (result or x)(x, y, z), generator(x)

    return intrinsic({1: unary, 2: binary, 3: ternary}[arguments])


def _compare(sign: str) -> Callable[..., Any]:
    return lambda builder, real, x, y: builder.fcmp_ordered(sign, x, y) if real else builder.icmp_signed(sign, x, y)


def _library(name: str, arguments: int) -> Callable[..., Any]:
    """The code of a call of LLVM's intrinsic `name`, which takes and returns vectors of float32."""
    vector = _vector(types.float32)
    kind = ir.FunctionType(vector, [vector] * arguments)

    def emit(builder: Any, real: bool, *values: Any) -> Any:
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{COLUMNS}f32"), values)

    return emit


less, equal = _operation(2, FLAGS, _compare("<")), _operation(2, FLAGS, _compare("=="))
add = _operation(2, None, lambda builder, real, x, y: builder.fadd(x, y) if real else builder.add(x, y))
subtract = _operation(2, None, lambda builder, real, x, y: builder.fsub(x, y) if real else builder.sub(x, y))
multiply = _operation(2, None, lambda builder, real, x, y: builder.fmul(x, y) if real else builder.mul(x, y))
divide = _operation(2, None, lambda builder, real, x, y: builder.fdiv(x, y))
fused = _operation(3, None, _library("fma", 3))
"""`x * y + z`, rounded once."""
root = _operation(1, None, _library("sqrt", 1))
minimum = _operation(2, None, lambda builder, real, x, y: builder.select(_compare("<")(builder, real, x, y), x, y))
"""The smaller of x and y; y where either is NaN."""
maximum = _operation(2, None, lambda builder, real, x, y: builder.select(_compare(">")(builder, real, x, y), x, y))
"""The larger of x and y; y where either is NaN."""
shift_left = _operation(2, None, lambda builder, real, x, y: builder.shl(x, y))
shift_right = _operation(2, None, lambda builder, real, x, y: builder.lshr(x, y))
either_bits = _operation(2, None, lambda builder, real, x, y: builder.or_(x, y))
both_bits = _operation(2, None, lambda builder, real, x, y: builder.and_(x, y))
truncate = _operation(1, INTS, lambda builder, real, x: builder.fptosi(x, _vector(types.int32)))
as_ints = _operation(1, INTS, lambda builder, real, flags: builder.zext(flags, _vector(types.int32)))


@intrinsic
def bits_of(typing: Any, flags: Any) -> Any:
    """The flags as the bits of an int64: bit i is set where column i is flagged."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.bitcast(arguments[0], ir.IntType(COLUMNS)), ir.IntType(64))

    return types.int64(flags), generate


@intrinsic
def where(typing: Any, flags: Any, x: Any, y: Any) -> Any:
    """Of each column, x where its flag is set, else y."""
    return x(flags, x, y), lambda context, builder, signature, arguments: builder.select(*arguments)
