"""What all stages share; it knows none of them."""
