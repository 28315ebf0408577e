"""What people find in images: figures of merit of their readings, and multi-reader multi-case analysis."""
