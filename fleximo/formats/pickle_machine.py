"""A pickle read as data: the stack machine of pickles, in which a name never becomes a class of another package.

Owns the opcodes and their limits (operations, memory, keys). What a named class or function stands for is told by an
`AllowList`; whatever is not on it ends the reading. Nothing here imports, calls or hashes what a file brings along.
"""

from __future__ import annotations

import codecs
import mmap
import pickle  # for the names of the opcodes only
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleximo.errors import FleximoError
from fleximo.formats.containers import LIMIT_BYTES, guarded

__all__ = ["AllowList", "Machine", "StandIn", "Unbuilt"]

_MAX_OPERATIONS = 500_000  # far above any motion file; bounds time and the memory of small objects
_MAX_KEY = 1000  # characters of a dictionary's key
_MAX_DIGITS = 300  # of a number written as text
_PIECE = 1 << 20  # bytes of text that are unescaped at a time
_ESCAPE = re.compile(rb"(?<!\\)\\")  # certainly where one starts, whatever stands before
_SMALL = 1024  # bytes up to which a byte string is copied out of the file; longer ones stay views of it


@dataclass(frozen=True)
class StandIn:
    """What takes the place of one class or function that a pickle names."""

    name: str
    call: Callable[[Machine, StandIn, tuple[Any, ...]], Any] | None = None  # REDUCE; None = it cannot be called
    build: Callable[[Machine, tuple[Any, ...], Any], Any] | None = None  # BUILD: (arguments, state) -> the value


@dataclass(frozen=True)
class AllowList:
    """The names that one file format may use."""

    names: Mapping[str, StandIn]  # "module.name" -> stand-in
    packages: Mapping[str, StandIn] = field(default_factory=dict)  # all names of a package -> one inert stand-in

    def __or__(self, other: AllowList) -> AllowList:
        return AllowList({**self.names, **other.names}, {**self.packages, **other.packages})

    def find(self, module: str, name: str) -> StandIn | None:
        return self.names.get(f"{module}.{name}") or self.packages.get(module.partition(".")[0])


@dataclass(eq=False)
class Unbuilt:
    """An object between its making and its state; afterwards its value has taken its place."""

    stand_in: StandIn
    name: str
    arguments: tuple[Any, ...]
    memo_keys: list[int] = field(default_factory=list)


@dataclass(eq=False)
class _Named:
    """A stand-in as the file called it (a package's names share one)."""

    stand_in: StandIn
    name: str


class Machine:
    """Runs one pickle in `content` from `start`; `position` is then the byte after it."""

    def __init__(
        self,
        content: bytes | bytearray | mmap.mmap,
        allowed: AllowList,
        *,
        what: str,
        start: int = 0,
        persistent: Callable[[Any], Any] | None = None,
        limit: int = LIMIT_BYTES,
    ) -> None:
        self.content = content
        self.allowed = allowed
        self.what = what
        self.position = start
        self.persistent = persistent
        self._view = memoryview(content)
        self._limit = self._left = limit
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._done = False

    def run(self) -> Any:
        """The value of the pickle: plain Python values, numpy arrays and what the stand-ins made.

        Raises `FleximoError` for a name that is not allowed (`unsafe_pickle`) and for anything that does not make
        sense.
        """
        with guarded(self.what):
            for _ in range(_MAX_OPERATIONS):
                code = self.content[self.position]
                self.position += 1
                operation = _OPERATIONS.get(code)
                if operation is None:
                    raise ValueError(f"the pickle has an operation (0x{code:02x}) that no motion file needs")
                operation(self)
                if self._done:
                    return self._stack.pop()
            raise ValueError(f"its pickle has more than {_MAX_OPERATIONS} operations")

    def spend(self, count: int) -> None:
        """Accounts for `count` bytes of memory that the file makes the reader take."""
        self._left -= count
        if self._left < 0:
            raise ValueError(f"its pickle unfolds to more than {self._limit >> 20} MB")

    def take(self, count: int) -> memoryview:
        """The next `count` bytes of the file."""
        if not 0 <= count <= len(self.content) - self.position:
            raise ValueError("its end is missing")
        self.position += count
        return self._view[self.position - count : self.position]

    def skip(self, count: int) -> None:
        self.take(count)

    def make(self, value: Any, arguments: tuple[Any, ...]) -> Any:
        """An object of a class that the file named, before its state is known."""
        if not isinstance(value, _Named) or value.stand_in.build is None or not isinstance(arguments, tuple):
            raise self._refused(value.name if isinstance(value, _Named) else type(value).__name__)
        return Unbuilt(value.stand_in, value.name, arguments)

    def _refused(self, name: str) -> FleximoError:
        shown = "".join(c if c.isprintable() else "?" for c in name[:80])
        return FleximoError(
            f"The {self.what} wants to use {shown}, which no such file needs; nothing of it was run.",
            code="unsafe_pickle",
            remedy="Use a file from a source that you trust, or export the motion again as .npz, .npy or .bvh.",
        )

    # The operations, named after what they do to the stack.

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def line(self) -> bytes:
        end = self.content.find(b"\n", self.position)
        return bytes(self.take(end + 1 - self.position)[:-1])

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def data(self, count: int) -> bytes | memoryview:
        taken = self.take(count)
        return bytes(taken) if count <= _SMALL else taken

    def text(self, raw: memoryview | bytes, coding: str = "utf-8") -> str:
        self.spend(4 * len(raw))
        return codecs.decode(raw, coding, "surrogatepass" if coding == "utf-8" else "strict")

    def push_mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def pop_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._marks.pop()
        return items

    def pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self.pop_mark()

    def stop(self) -> None:
        self._done = True

    def tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise ValueError("its pickle takes from an empty stack")
        self._stack[len(self._stack) - count :] = [tuple(self._stack[len(self._stack) - count :])]

    def extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise ValueError("its pickle appends to what is no list")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise ValueError("its pickle stores into what is no dictionary")
        for key, value in zip(items[::2], items[1::2]):
            target[self._key(key)] = value

    def dict_from_mark(self) -> None:
        items = self.pop_mark()
        self.push({})
        self.set_items(items)

    def _key(self, key: Any) -> str | int:
        """Only text and numbers: hashing a tuple a million deep would end the process."""
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        if not isinstance(key, (str, int)) or (isinstance(key, str) and len(key) > _MAX_KEY):
            raise ValueError("a dictionary in it has a key that is no name")
        return key

    def remember(self, key: int) -> None:
        value = self._memo[key] = self._stack[-1]
        if type(value) is Unbuilt:
            value.memo_keys.append(key)

    def remember_next(self) -> None:
        self.remember(len(self._memo))

    def recall(self, key: int) -> None:
        self.push(self._memo[key])

    def named(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("its pickle names something by what is no text")
        stand_in = self.allowed.find(module, name)
        if stand_in is None:
            raise self._refused(f"{module}.{name}")
        self.push(_Named(stand_in, f"{module}.{name}"))

    def stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self.named(module, name)

    def reduce(self) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _Named) or function.stand_in.call is None or not isinstance(arguments, tuple):
            raise self._refused(function.name if isinstance(function, _Named) else type(function).__name__)
        self.push(function.stand_in.call(self, function.stand_in, arguments))

    def new_object(self) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        self.push(self.make(kind, arguments))

    def build(self) -> None:
        state, target = self._stack.pop(), self._stack.pop()
        if type(target) is dict:  # attributes of an OrderedDict (torch keeps versions there)
            self.push(target)
            return
        if not isinstance(target, Unbuilt) or target.stand_in.build is None:
            raise ValueError("its pickle gives a state to what has none")
        arguments = (target.name, *target.arguments)
        value = target.stand_in.build(self, arguments, state)
        self.push(value)
        for key in target.memo_keys:
            self._memo[key] = value

    def ask_storage(self, name: Any) -> None:
        if self.persistent is None:
            raise ValueError("its pickle refers to parts outside the file")
        self.push(self.persistent(name))

    def whole_number(self, raw: bytes) -> None:
        if len(raw) > _MAX_DIGITS:
            raise ValueError("its pickle holds a number of absurd length")
        self.push({b"00": False, b"01": True}.get(raw) if raw in (b"00", b"01") else int(raw.rstrip(b"L")))

    def long_number(self, count: int) -> None:
        if count > _MAX_DIGITS:
            raise ValueError("its pickle holds a number of absurd length")
        self.push(int.from_bytes(self.take(count), "little", signed=True))

    def quoted(self) -> None:
        end = self.content.find(b"\n", self.position)
        raw = self.take(end + 1 - self.position)[:-1]
        if len(raw) < 2 or raw[0] != raw[-1] or raw[0] not in b"'\"":
            raise ValueError("its pickle holds a string without its quotes")
        self.push(self._unescaped(raw[1:-1]))

    def _unescaped(self, raw: memoryview) -> bytes:
        """The bytes that `raw` spells with backslashes; by pieces, for an array of 50 MB takes 140 MB as text."""
        pieces = []
        while len(raw):
            start = _ESCAPE.search(raw, _PIECE)
            cut = len(raw) if start is None else start.start()
            pieces.append(codecs.escape_decode(bytes(raw[:cut]))[0])
            self.spend(2 * len(pieces[-1]))
            raw = raw[cut:]
        return b"".join(pieces)


def _operations() -> dict[int, Callable[[Machine], None]]:
    """What each opcode does. Missing on purpose: extension codes, old-style instances, out-of-band buffers."""

    def constant(value: Any) -> Callable[[Machine], None]:
        return lambda machine: machine.push(value)

    def sized(form: str) -> Callable[[Machine], None]:
        return lambda machine: machine.push(machine.data(machine.number(form)))

    def worded(form: str) -> Callable[[Machine], None]:
        return lambda machine: machine.push(machine.text(machine.take(machine.number(form))))

    def integer(form: str) -> Callable[[Machine], None]:
        return lambda machine: machine.push(machine.number(form))

    table: dict[bytes, Callable[[Machine], None]] = {
        pickle.PROTO: lambda m: m.skip(1),
        pickle.FRAME: lambda m: m.skip(8),  # frames only help readers of streams
        pickle.STOP: Machine.stop,
        pickle.MARK: Machine.push_mark,
        pickle.POP: Machine.pop,
        pickle.POP_MARK: lambda m: m.pop_mark().clear(),
        pickle.DUP: lambda m: m.push(m._stack[-1]),
        pickle.NONE: constant(None),
        pickle.NEWTRUE: constant(True),
        pickle.NEWFALSE: constant(False),
        pickle.INT: lambda m: m.whole_number(m.line()),
        pickle.LONG: lambda m: m.whole_number(m.line()),
        pickle.BININT: integer("<i"),
        pickle.BININT1: integer("<B"),
        pickle.BININT2: integer("<H"),
        pickle.LONG1: lambda m: m.long_number(m.number("<B")),
        pickle.LONG4: lambda m: m.long_number(m.number("<i")),
        pickle.FLOAT: lambda m: m.push(float(m.line()[:_MAX_DIGITS])),
        pickle.BINFLOAT: integer(">d"),
        pickle.STRING: Machine.quoted,
        pickle.SHORT_BINSTRING: sized("<B"),
        pickle.BINSTRING: sized("<i"),
        pickle.SHORT_BINBYTES: sized("<B"),
        pickle.BINBYTES: sized("<I"),
        pickle.BINBYTES8: sized("<Q"),
        pickle.BYTEARRAY8: sized("<Q"),
        pickle.UNICODE: lambda m: m.push(m.text(m.line(), "raw-unicode-escape")),
        pickle.SHORT_BINUNICODE: worded("<B"),
        pickle.BINUNICODE: worded("<I"),
        pickle.BINUNICODE8: worded("<Q"),
        pickle.EMPTY_TUPLE: constant(()),
        pickle.TUPLE1: lambda m: m.tuple_of(1),
        pickle.TUPLE2: lambda m: m.tuple_of(2),
        pickle.TUPLE3: lambda m: m.tuple_of(3),
        pickle.TUPLE: lambda m: m.push(tuple(m.pop_mark())),
        pickle.EMPTY_LIST: lambda m: m.push([]),
        pickle.LIST: lambda m: m.push(m.pop_mark()),
        pickle.APPEND: lambda m: m.extend([m._stack.pop()]),
        pickle.APPENDS: lambda m: m.extend(m.pop_mark()),
        pickle.EMPTY_SET: lambda m: m.push([]),  # sets are lists here: nothing is hashed
        pickle.ADDITEMS: lambda m: m.extend(m.pop_mark()),
        pickle.FROZENSET: lambda m: m.push(m.pop_mark()),
        pickle.EMPTY_DICT: lambda m: m.push({}),
        pickle.DICT: Machine.dict_from_mark,
        pickle.SETITEM: lambda m: m.set_items([m._stack.pop(-2), m._stack.pop()]),
        pickle.SETITEMS: lambda m: m.set_items(m.pop_mark()),
        pickle.PUT: lambda m: m.remember(int(m.line()[:20])),
        pickle.BINPUT: lambda m: m.remember(m.number("<B")),
        pickle.LONG_BINPUT: lambda m: m.remember(m.number("<I")),
        pickle.MEMOIZE: Machine.remember_next,
        pickle.GET: lambda m: m.recall(int(m.line()[:20])),
        pickle.BINGET: lambda m: m.recall(m.number("<B")),
        pickle.LONG_BINGET: lambda m: m.recall(m.number("<I")),
        pickle.GLOBAL: lambda m: m.named(m.text(m.line()), m.text(m.line())),
        pickle.STACK_GLOBAL: Machine.stack_global,
        pickle.REDUCE: Machine.reduce,
        pickle.NEWOBJ: Machine.new_object,
        pickle.BUILD: Machine.build,
        pickle.PERSID: lambda m: m.ask_storage(m.text(m.line())),
        pickle.BINPERSID: lambda m: m.ask_storage(m._stack.pop()),
    }
    return {code[0]: operation for code, operation in table.items()}


_OPERATIONS = _operations()
