"""What a record says of the installation."""

from importlib import metadata

import pytest

from coldray.app import recipe


@pytest.fixture(autouse=True)
def nothing_kept():
    recipe._version.cache_clear()
    yield
    recipe._version.cache_clear()


@pytest.mark.parametrize("package", ["numpy", "scipy", "onnxruntime"])
def test_versions_are_those_that_are_installed(package):
    assert recipe._version(package) == recipe.environment()[package] == metadata.version(package)


@pytest.mark.parametrize("beside", [[], ["numpy-0.1.dist-info", "numpy-0.2.dist-info"]])
def test_where_no_one_folder_names_a_version_the_installation_is_asked(beside, tmp_path, monkeypatch):
    module = tmp_path / "numpy" / "__init__.py"
    for place in (module.parent, *(tmp_path / name for name in beside)):
        place.mkdir()
    module.touch()
    monkeypatch.setattr(recipe, "find_spec", lambda name: type("Spec", (), {"origin": str(module)}))
    assert recipe._version("numpy") == metadata.version("numpy")
