"""What methods return, and how it is kept: knows no model."""
