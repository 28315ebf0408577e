"""Object to frames: thickness, transmission, screen, camera, geometry."""
