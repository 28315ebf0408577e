"""Restoration methods: plug-ins with `restore`, and `example` if they learn."""
