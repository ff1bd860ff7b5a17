"""The fake `tensorrt`: exactly the names of one version's table, and behind some of them an object that acts.

An actor is a Python object whose attributes are named as in the bindings. It is never seen itself: what the module
gives is an object of a class made from the table, which has no other names, checks each call against the documented
signatures, and passes it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from stand_in.enumerations import make_enum
from stand_in.signatures import bind_call
from stand_in.type_rules import accepted

__all__ = ["Actor", "Bindings"]

_SPECIAL = (
    "__bytes__", "__buffer__", "__eq__", "__getitem__", "__hash__", "__len__", "__repr__", "__str__", "__array__",
)  # fmt: skip


class Actor:
    """Base of what acts; `binds` names the class that it stands behind."""

    binds = ""


class _BoundType(type):
    """Class of classes, which holds that a class derived in Python initialises its base, as pybind11 does."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = super().__call__(*args, **kwargs)
        if not hasattr(made, "_actor"):
            raise TypeError(f"{cls.__name__}.__init__() must be called when overriding __init__")
        return made


class _Bound(metaclass=_BoundType):
    __slots__ = ("__weakref__", "_actor")
    _actor: Any


class Bindings:
    """One version of TensorRT.

    Attributes:
        module: What `import tensorrt` gives.
    """

    def __init__(self, table: Mapping[str, Any], actors: Mapping[str, Callable[..., Actor]], library: str) -> None:
        """Make the module.

        Args:
            table: From `tensorrt_table`.
            actors: What makes the actor behind an object that the user constructs, by the name of its class.
            library: Name of the module.
        """
        self._table, self._actors = table, actors
        self._classes: dict[str, Any] = {}
        self.module: Any = ModuleType(library, "Stand-in for TensorRT.")
        vars(self.module).update(__version__=table["version"])
        for name, members in table["enums"].items():
            setattr(self.module, name, make_enum(name, members))
        for name in table["classes"]:
            setattr(self.module, name, self._class(name))
        for name in table["functions"]:
            setattr(self.module, name, self._function(name))
        for name, value in table["values"].items():
            enum, member = value.split(".")
            setattr(self.module, name, getattr(getattr(self.module, enum), member))

    def member(self, enum: str, name: str) -> Any:
        """One member of an enumeration at the top of the module."""
        return getattr(getattr(self.module, enum), name)

    def wrap(self, value: Any) -> Any:
        """Show an actor as the bindings do, and lists of them; other values pass."""
        if isinstance(value, list):
            return [self.wrap(item) for item in value]
        if not isinstance(value, Actor):
            return value
        shown = object.__new__(self._classes[value.binds])
        shown._actor = value
        return shown

    def unwrap(self, value: Any) -> Any:
        """The actor behind an object; what the user derived from a class of the module passes as it is."""
        if isinstance(value, _Bound) and type(value) in self._classes.values():
            return value._actor if isinstance(value._actor, Actor) else value
        return value

    def _unwrapped(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {key: self.unwrap(value) for key, value in given.items()}

    def _class(self, name: str) -> Any:
        if name in self._classes:
            return self._classes[name]
        described = self._table["classes"][name]
        bases = tuple(self._class(base) for base in described.get("bases", ())) or (_Bound,)
        members: dict[str, Any] = {"__slots__": (), "__module__": self.module.__name__}
        for enum, numbers in described.get("enums", {}).items():
            members[enum] = getattr(bases[0], enum, None) or make_enum(enum, numbers)
        for value_name, value in described.get("values", {}).items():
            members[value_name] = getattr(members[value.split(".")[0]], value.split(".")[1])
        for method, signatures in described.get("methods", {}).items():
            members[method] = self._method(f"{name}.{method}", method, signatures)
        for property_name, access in described.get("properties", {}).items():
            members[property_name] = self._property(f"{name}.{property_name}", property_name, access)
        members["__init__"] = self._constructor(name, described.get("constructors"))
        made = self._classes[name] = _BoundType(name, bases, members)
        return made

    def add_specials(self, name: str, actor: type[Actor]) -> None:
        """Give a class the special methods that its actor has."""
        for special in _SPECIAL:
            if special in vars(actor) and callable(vars(actor)[special]):
                setattr(self._classes[name], special, _forwarding(special))

    def _accepts(self, kind: str, value: object) -> bool:
        return accepted(self.module, kind, value)

    def _constructor(self, name: str, signatures: list[str] | None) -> Callable[..., None]:
        def __init__(shown: Any, *args: Any, **kwargs: Any) -> None:
            if not signatures:
                raise TypeError(f"{self.module.__name__}.{name}: No constructor defined!")
            given = bind_call(f"{name}.__init__", signatures, args, kwargs, self._accepts)
            make = self._actors.get(name)
            shown._actor = make(**self._unwrapped(given)) if make is not None else None

        return __init__

    def _method(self, title: str, name: str, signatures: list[str]) -> Callable[..., Any]:
        def method(shown: Any, *args: Any, **kwargs: Any) -> Any:
            given = bind_call(title, signatures, args, kwargs, self._accepts)
            acts = _part(shown, name, title)
            return self.wrap(acts(**self._unwrapped(given)))

        method.__name__ = name
        return method

    def _property(self, title: str, name: str, access: str) -> property:
        def read(shown: Any) -> Any:
            return self.wrap(_part(shown, name, title))

        def write(shown: Any, value: Any) -> None:
            _part(shown, name, title)
            setattr(shown._actor, name, self.unwrap(value))

        return property(read, write if access == "rw" else None)

    def _function(self, name: str) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError(f"{self.module.__name__}.{name} exists, but the stand-in does not act it")

        return function


def _part(shown: Any, name: str, title: str) -> Any:
    if not hasattr(shown._actor, name):
        raise NotImplementedError(f"{title} exists, but the stand-in does not act it")
    return getattr(shown._actor, name)


def _forwarding(special: str) -> Callable[..., Any]:
    def forward(shown: Any, *args: Any) -> Any:
        return getattr(shown._actor, special)(*args)

    return forward
