"""DICOM over the network: objects sent to a node, received from machines, and restored as they come."""
