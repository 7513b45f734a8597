"""Models of the table of --task=classify: what each trains, with which configuration."""

import typing
from collections.abc import Iterable
from typing import Any

from iclr22.cold_brew import pipeline, teacher

STUDENTS = {
    "student": lambda options: options,
    "student_paper": pipeline.as_published,
    "student_released": pipeline.as_released,
}  # the options of each


def _student(name: str) -> tuple[str, ...]:
    return "teacher", f"{name}_mlp1", f"{name}_mlp2"


# Variants, and names of what they train.
TRAINS: dict[str, tuple[str, ...]] = {
    "gcn": ("gcn",),
    "gcn_no_loops": ("gcn_no_loops",),
    "sage": ("sage",),
    "mlp": ("mlp",),
    "graphmlp": ("graphmlp",),
    "label_propagation": (),
    "teacher": ("teacher",),
    "teacher_features": ("teacher",),
    "mlp1": _student("student"),
    "student": _student("student"),
    "student_paper": _student("student_paper"),
    "student_released": _student("student_released"),
}
# The student is kept, and the unmodified graph compared, whatever is in the table.
ALWAYS = (*_student("student"), "gcn_unmodified", "mlp")
WATCHED = {  # the model whose last stage is looked at with --selection=test_max
    name: name for name in ("gcn", "gcn_no_loops", "sage", "mlp", "graphmlp", "teacher")
} | {name: f"{name}_mlp2" for name in STUDENTS}


def configurations(
    models: pipeline.Options, variants: Iterable[str], classes: int
) -> dict[str, Any]:
    """What is trained for a table of these variants, by name."""
    own = pipeline.configs_of(models, classes)
    gcn = own.teacher._replace(convolution="gcn", embeddings="000")
    every = {
        "teacher": own.teacher,
        "gcn": gcn._replace(self_loops=True),
        "gcn_no_loops": gcn._replace(self_loops=False),
        "gcn_unmodified": gcn,
        "sage": gcn._replace(convolution="sage"),
        "mlp": own.mlp,
        "graphmlp": own.graph_mlp,
    }
    for name, make in STUDENTS.items():
        found = pipeline.configs_of(make(models), classes)
        every |= {f"{name}_mlp1": found.mlp1, f"{name}_mlp2": found.mlp2}
    needed = {name for variant in variants for name in TRAINS[variant]} | set(ALWAYS)
    return {name: config for name, config in every.items() if name in needed}


def kinds(field: str) -> tuple[str, ...]:
    """The values that a field of the teacher may have."""
    return typing.get_args(typing.get_type_hints(teacher.Config)[field])
