"""What the doctor asks: the machine, frameworks, stores, programs."""
