"""What tries to break Bestiary: kills, full disks, floods, mutated files. Each module is a command, and a slow test."""
