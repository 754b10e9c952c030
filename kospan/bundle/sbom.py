"""Software bill of materials of a bundle, as CycloneDX JSON."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kospan import __version__
from kospan.bundle.checksums import file_hash
from kospan.bundle.wheels import Wheel

if TYPE_CHECKING:
    from cyclonedx.model.component import Component


def software_bill(wheels: Sequence[Wheel], edges: Mapping[str, set[str]], models: Mapping[str, str]) -> str:
    """Return the bill of materials, valid under the schema of CycloneDX 1.6.

    Args:
        wheels: All wheels.
        edges: Names of the packages that each package needs.
        models: SHA-256 of the weights of each model, by name.

    Raises:
        ImportError: If cyclonedx-python-lib is missing.
        ValueError: If the result is not valid.
    """
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    bom = Bom()
    bom.metadata.component = root = Component(
        type=ComponentType.APPLICATION, name="kospan-bundle", version=__version__, bom_ref="kospan-bundle"
    )
    found = {wheel.name: _component(wheel) for wheel in wheels}
    for name, digest in sorted(models.items()):
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
        kind = ComponentType.MACHINE_LEARNING_MODEL
        bom.components.add(Component(type=kind, name=name, bom_ref=f"model:{name}", hashes=hashes))
    bom.components.update(found.values())
    bom.register_dependency(root, [found[name] for name in sorted(found) if name.startswith("kospan")])
    for name, component in found.items():
        bom.register_dependency(component, [found[each] for each in sorted(edges.get(name, ())) if each in found])
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ValueError(f"expected a bill of materials that is valid CycloneDX 1.6, got: {problem}; report this")
    return text + "\n"


def check_available() -> None:
    """Check that the library is installed, before anything is downloaded.

    Raises:
        ImportError: If it is missing.
    """
    try:
        import cyclonedx.validation.json  # noqa: F401
        import packageurl  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f"expected the packages of the extra bundle, found no {error.name}; run `pip install -c constraints.txt -e "
            '".[bundle]"`'
        ) from error


def _component(wheel: Wheel) -> "Component":
    from cyclonedx.factory.license import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    licences = []
    if wheel.licence:
        with contextlib.suppress(Exception):  # Free text of other projects.
            licences = [LicenseFactory().make_from_string(wheel.licence)]
    address = PackageURL("pypi", name=wheel.name, version=wheel.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=wheel.name,
        version=wheel.version,
        bom_ref=str(address),
        purl=address,
        licenses=licences,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file_hash(wheel.path))],
    )
