"""Training fields, and folders of board radiographs: registered, matched, cut into patches."""
