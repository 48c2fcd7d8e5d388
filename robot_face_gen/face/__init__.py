"""What makes a reaction visible: drawing faces and pages about them."""
