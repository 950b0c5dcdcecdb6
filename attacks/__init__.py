"""What tries to break Bestiary: each of these is a command, and a slow test in small.

The stages: kill, disk, two, mlflow. What they are fed: pictures, archives. The services: flood, stop, idle, endurance,
api, odd, served. Secrets: canary.
"""
