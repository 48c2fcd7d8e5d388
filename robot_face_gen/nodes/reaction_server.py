# SPDX-License-Identifier: Apache-2.0
"""`reaction_server`: the faces of many robots from one process, computed in one step."""

from __future__ import annotations

from .base_node import new_health
from .reaction_node import AnsweringNode
from .tables import SERVER, ServerParameters, namespaces


class ReactionServer(AnsweringNode[ServerParameters]):
    """Serves each namespace as a `reaction_node` there would; other nodes see no difference.

    Each face has its own status in the diagnostics, named after its namespace.
    """

    def __init__(self) -> None:
        super().__init__(SERVER)
        names = namespaces(self.parameters.namespaces)
        healths = [new_health() for _ in names]
        for name, health in zip(names, healths, strict=True):
            self.diagnostics.add(name, health)
        self.serve(names, healths, self.parameters.max_gather_s)
        self.get_logger().info(f'serves {len(names)} faces: {", ".join(names)}')


PROGRAM = ReactionServer, SERVER
