"""coldray in napari: a reader, and a widget that restores and shows the parts of a result."""
