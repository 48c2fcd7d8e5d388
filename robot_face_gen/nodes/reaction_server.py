# SPDX-License-Identifier: Apache-2.0
"""`reaction_server`: the faces of many robots from one process, their steps made together."""

from __future__ import annotations

from collections.abc import Sequence

from .base_node import new_health
from .reaction_node import AnsweringNode
from .reaction_output import ReactionOutput
from .run import run
from .tables import SERVER, ServerParameters, namespaces


class ReactionServer(AnsweringNode[ServerParameters]):
    """Serves each namespace as a `reaction_node` there would; the other nodes see no difference.

    Each face has its own status in the diagnostics, named after its namespace.
    """

    def __init__(self) -> None:
        super().__init__(SERVER)
        from .model_setup import make_server  # torch: after rclpy, so that Ctrl-C ends it well

        names = namespaces(self.parameters.namespaces)
        healths = [new_health() for _ in names]
        engine = make_server(self.parameters, self.health, healths, self.get_logger())
        outputs = []
        for name, lane in zip(names, engine.lanes, strict=True):
            self.diagnostics.add(name, lane.health)
            outputs.append(ReactionOutput(self, name, lane))
            self.hear(name, engine.batch.model, lane)
        self.get_logger().info(f'serves {len(names)} faces: {", ".join(names)}')
        self.begin(engine, outputs)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run(ReactionServer, args, table=SERVER)
