"""Names of nodes and namespaces."""

from __future__ import annotations

import re

_TOKEN = r'[A-Za-z_]\w*'


def joined_namespace(base: str | None, namespace: str | None) -> str | None:
    """An absolute namespace: `namespace` if it is absolute, else under `base`; None if neither."""
    if base is None and namespace is None:
        return None
    if namespace is None:
        joined = base or ''
    elif not base or namespace.startswith('/'):
        joined = namespace
    else:
        joined = f'{base.rstrip("/")}/{namespace}'
    return f'/{joined.strip("/")}'


def check_namespace(namespace: str) -> None:
    """Raise a ValueError unless it is an absolute namespace."""
    if namespace != '/' and not re.fullmatch(rf'(/{_TOKEN})+', namespace, re.ASCII):
        raise ValueError(
            f"'{namespace}' is no namespace: expected parts of letters, digits and '_', none "
            "beginning with a digit, joined by '/'"
        )


def check_node_name(name: str) -> None:
    """Raise a ValueError unless it is a node's name."""
    if not re.fullmatch(_TOKEN, name, re.ASCII):
        raise ValueError(
            f"'{name}' is no name of a node: expected letters, digits and '_', not beginning with "
            'a digit'
        )
