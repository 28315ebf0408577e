"""The viewer: a local server with one static page that shows, measures and restores radiographs."""
