"""The widget that restores a layer."""

from typing import Any

from napari_coldray._layers import Layer, image_layer, part_layers

METHODS = ("cold", "direct", "wiener")
DETECTORS = ("gos135", "gos34")


def restored_layers(
    layer: Any, pitch_um: float = 0.0, exposure_s: float = 0.0, open_beam: float = 0.0, **settings: Any
) -> list[Layer]:
    """Restore a layer; the layer itself is only read.

    Parameters
    ----------
    layer : napari.layers.Image
        Of a radiograph, linear; read by our reader it knows its acquisition.
    pitch_um, exposure_s, open_beam : float
        0: as the file states it, or found in the image.
    **settings
        Detectors and method, as `coldray.restore` takes them.

    Returns
    -------
    list of layers
        The restored image, and hidden its parts; verdict and warnings in its metadata.

    Raises
    ------
    ColdrayError
        As `coldray.restore`.
    """
    import coldray
    from coldray.radiograph import Acquisition

    known = layer.metadata.get("coldray", {}).get("acquisition", {})
    image = coldray.Radiograph(layer.data, Acquisition(**known)) if known else layer.data
    stated = {"pixel_pitch_mm": pitch_um / 1000, "exposure_s": exposure_s, "open_beam": open_beam}
    settings |= {name: value for name, value in stated.items() if value > 0}
    found = coldray.restore(image, provenance=layer.data.ndim == 2, **settings)
    name = f"{layer.name} restored"
    said = {"verdict": found.verdict, "warnings": list(found.warnings), "consistency": found.consistency}
    layers = [image_layer(name, found.image, metadata={"restoration": said})]
    if found.layers is not None:
        layers += part_layers(name, found.layers, found.image.acquisition.pixel_pitch_mm)
    return layers


def restore_widget() -> Any:
    """Widget for napari; magicgui reads the annotations, so they are evaluated here."""
    from magicgui import magicgui
    from napari.layers import Image
    from napari.types import LayerDataTuple
    from napari.utils.notifications import show_info, show_warning

    @magicgui(
        call_button="Restore",
        method={"choices": METHODS},
        pitch_um={"label": "pixel pitch [um], 0: from the file", "max": 1e6, "step": 0.1},
        exposure_s={"label": "exposure [s], 0: from the file", "max": 1e6, "step": 0.01},
        open_beam={"label": "open beam, 0: from the file", "max": 1e9, "step": 1.0},
    )
    def widget(
        layer: Image,
        blurred: str = DETECTORS[0],
        sharp: str = DETECTORS[1],
        method: str = METHODS[0],
        pitch_um: float = 0.0,
        exposure_s: float = 0.0,
        open_beam: float = 0.0,
    ) -> list[LayerDataTuple]:
        layers = restored_layers(layer, pitch_um, exposure_s, open_beam, blurred=blurred, sharp=sharp, method=method)
        said = layers[0][1]["metadata"]["restoration"]
        show_info(f"coldray: {said['verdict']}")
        for warning in said["warnings"]:
            show_warning(warning)
        return layers

    return widget
