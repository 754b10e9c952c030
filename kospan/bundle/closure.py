"""The packages that a requirement needs on a machine, with their edges."""

from collections.abc import Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(
    roots: list[Requirement], requires: Mapping[str, tuple[Requirement, ...]], environment: Mapping[str, str]
) -> tuple[dict[str, set[str]], list[Requirement]]:
    """Follow requirements, with their extras, as they apply to a machine.

    Args:
        roots: The first requirements.
        requires: Requirements of the known packages, by normalised name.
        environment: Values of the environment markers of the machine.

    Returns:
        The names that each needed package needs, and the requirements of packages that are not known.

    >>> edges, missing = closure([Requirement("a[x]")], {"a": (Requirement('b; extra == "x"'),)}, {})
    >>> edges, [each.name for each in missing]
    ({'a': {'b'}}, ['b'])
    """
    edges: dict[str, set[str]] = {}
    missing: dict[str, Requirement] = {}
    seen: set[tuple[str, str]] = set()
    waiting = list(roots)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in requires:
            missing[str(requirement)] = requirement
            continue
        edges.setdefault(name, set())
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for each in requires[name]:
                if each.marker is None or each.marker.evaluate({**environment, "extra": extra}):
                    edges[name].add(canonicalize_name(each.name))
                    waiting.append(each)
    return edges, list(missing.values())
