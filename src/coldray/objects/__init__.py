"""What is put in the beam: boards, Gerber boards, batteries, defects, targets."""
