"""Networks: plug-ins with a torch module `Network`."""
