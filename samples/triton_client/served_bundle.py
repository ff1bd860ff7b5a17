"""Which models of a server are a bundle's: `hyperflow-export triton` puts the bundle's identity into them."""

from __future__ import annotations

from dataclasses import dataclass

from connection import Connection
from hyperflow_runtime import BackendError
from hyperflow_runtime.bundle.reader import Bundle

_PARAMETER = "hyperflow_bundle_"


@dataclass(frozen=True)
class ServedBundle:
    """Names of the two models on the server, and the version that is this bundle's."""

    backbone: str
    adapt: str
    version: str


def find_bundle(connection: Connection, bundle: Bundle, name: str) -> ServedBundle:
    """Find the version of a server's models that was written from a bundle.

    Theta and prototypes mean nothing to another bundle's graphs, even one of the same shapes.

    Args:
        connection: To the server.
        bundle: The same that was given to `hyperflow-export triton`.
        name: First part of the models' names.

    Raises:
        BackendError: No answer, no such models, none of this bundle, or not ready.
    """
    backbone, adapt = f"{name}_backbone", f"{name}_adapt"
    both = _versions(connection, backbone, bundle) & _versions(connection, adapt, bundle)
    if not both:
        raise BackendError(
            f"{connection.url} serves {backbone} and {adapt}, but from another bundle than {bundle.path} "
            f"({bundle.sha256[:12]}); use the bundle that was exported, or export this one as a further --version"
        )
    ready = [version for version in both if all(connection.is_ready(model, version) for model in (backbone, adapt))]
    if not ready:
        raise BackendError(
            f"{backbone} and {adapt}, version {max(both, key=int)}, are not ready on {connection.url}; see its log"
        )
    return ServedBundle(backbone, adapt, max(ready, key=int))


def _versions(connection: Connection, model: str, bundle: Bundle) -> set[str]:
    parameters = connection.config(model).get("parameters", {})
    return {
        key.removeprefix(_PARAMETER)
        for key, value in parameters.items()
        if key.startswith(_PARAMETER) and value.get("string_value") == bundle.sha256
    }
