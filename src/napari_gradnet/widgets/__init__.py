"""The napari plugin: forms over `napari_gradnet.api`, and their threads."""
